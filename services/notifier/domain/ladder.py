"""When a notification is tried again, and when no more.

The steps are those of escalation.md ("Webhook"): 5 s to 24 h, together a bit less than two days. What
the other side asks for with ``Retry-After`` (RFC 9110, 10.2.3) takes the place of a step, within
bounds: nobody makes the notifier hammer, or wait for ever.
"""

from __future__ import annotations

from typing import Final

STEPS_S: Final = (5.0, 30.0, 120.0, 600.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0)
LEAST_S: Final = 1.0
MOST_S: Final = STEPS_S[-1]
SPREAD: Final = 0.2
"""A wait is made longer by up to this share, so that what failed together does not return together."""
LEAST_ATTEMPTS: Final = 4
"""However old it is, a notification is tried so often: it may have waited for the notifier itself."""


def next_delay(
    attempt: int,
    age_s: float,
    give_up_after_s: float,
    jitter: float,
    retry_after_s: float | None = None,
) -> float | None:
    """Return how many seconds to wait after the failed ``attempt`` (1 is the first), None to give up.

    Args:
        age_s: seconds since the notification was planned.
        give_up_after_s: at that age it is given up, unless it was hardly tried.
        jitter: 0 ≤ jitter < 1, drawn by the caller.
        retry_after_s: what the other side asks for, if it does.
    """
    wait = STEPS_S[min(attempt, len(STEPS_S)) - 1]
    if retry_after_s is not None:
        wait = min(max(retry_after_s, LEAST_S), MOST_S)
    wait *= 1.0 + SPREAD * jitter
    if attempt >= LEAST_ATTEMPTS and age_s + wait > give_up_after_s:
        return None
    return wait
