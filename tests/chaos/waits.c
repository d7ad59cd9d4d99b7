/* Waits of librdkafka under libfaketime, which does not know the waits of C11.

   librdkafka takes the time of day, adds a time-out and waits until then. The time of day is faked,
   the wait is not: it would last for as long as the clock is off. Here it lasts for what is left of
   the time-out by the faked clock; if that is more than any time-out of librdkafka, the clock has
   jumped in between. Monotonic time is not faked. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

static const long long second = 1000000000LL, longest = 60 * 1000000000LL;

static long long nanoseconds(const struct timespec *at) { return at->tv_sec * second + at->tv_nsec; }

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long left = nanoseconds(until) - nanoseconds(&now);
    if (left < 0 || left > longest) return thrd_timedout;
    clock_gettime(CLOCK_MONOTONIC, &now);
    left += nanoseconds(&now);
    const struct timespec end = {left / second, left % second};
    int result = pthread_cond_clockwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex,
                                        CLOCK_MONOTONIC, &end);
    return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}
