"""How many due timers a transaction takes: all when they are few, bounded by time when they are not."""

from __future__ import annotations

import pytest

from services.escalation.timers import ALONE_S, BESIDE_S, FEWEST, MOST, QUIET_S, TIMES, Pace


class Worker:
    """A worker whose transactions take ``fixed_s`` and ``each_s`` for each timer."""

    def __init__(self, waiting: int, each_s: float = 1e-4, fixed_s: float = 0.005) -> None:
        self.pace = Pace()
        self.waiting = waiting
        self.each_s = each_s
        self.fixed_s = fixed_s
        self.now = 1_000.0
        self.longest = 0.0

    def turn(self, *, feedback: bool = False) -> int:
        """Run one transaction; return how many timers it took."""
        limit = self.pace.limit(feedback, self.now)
        taken = min(self.waiting, limit)
        if limit:
            self.pace.taken(taken, limit, self.now)
        self.waiting -= taken
        self.longest = self.fixed_s + taken * self.each_s
        self.now += self.longest
        return taken

    def settle(self, *, feedback: bool) -> float:
        """Run for a while; return how long a transaction with timers then takes."""
        lengths = [self.longest for _ in range(40) if self.turn(feedback=feedback)]
        return max(lengths[-5:])


def test_a_few_timers_are_all_taken_and_feedback_beside_them_changes_nothing() -> None:
    worker = Worker(waiting=0)
    for _ in range(10):
        worker.waiting = FEWEST - 1
        assert worker.turn(feedback=True) == FEWEST - 1
        assert not worker.pace.behind


def test_who_took_as_many_as_allowed_is_behind_until_fewer_are_there() -> None:
    worker = Worker(waiting=FEWEST + 5)
    assert worker.turn() == FEWEST
    assert worker.pace.behind
    assert worker.turn() == 5
    assert not worker.pace.behind


@pytest.mark.parametrize("each_s", [5e-5, 1e-4, 1.5e-4])
def test_transactions_become_as_long_as_they_may(each_s: float) -> None:
    alone = Worker(10**9, each_s).settle(feedback=False)
    beside = Worker(10**9, each_s).settle(feedback=True)
    assert alone == pytest.approx(ALONE_S, rel=0.1)
    assert beside == pytest.approx(BESIDE_S, rel=0.1)


def test_on_a_busy_machine_transactions_are_longer_but_not_without_end() -> None:
    busy = Worker(10**9, fixed_s=0.03).settle(feedback=True)
    assert busy == pytest.approx(max(BESIDE_S, TIMES * 0.03), rel=0.15)
    assert Worker(10**9, fixed_s=1.0).settle(feedback=True) == pytest.approx(
        1.0 + FEWEST * 1e-4, rel=0.01
    )


def test_neither_slow_timers_nor_fast_ones_go_beyond_the_bounds() -> None:
    slow, fast = Worker(10**9, 0.01), Worker(10**9, 1e-7)
    slow.settle(feedback=False)
    fast.settle(feedback=False)
    assert slow.turn() == FEWEST
    assert fast.turn() == MOST


def test_feedback_and_timers_have_every_other_transaction_each() -> None:
    worker = Worker(10**9)
    taken = [worker.turn(feedback=True) for _ in range(20)]
    turns = [bool(count) for count in taken[2:]]
    assert all(turns[n] is not turns[n + 1] for n in range(len(turns) - 1))


def test_without_feedback_for_a_while_timers_have_longer_transactions() -> None:
    worker = Worker(10**9)
    beside = worker.settle(feedback=True)
    while worker.now < 1_000.0 + 3 * QUIET_S + 40 * ALONE_S:
        worker.turn()
    assert worker.longest > 1.4 * beside
    assert all(worker.turn() for _ in range(10))


def test_each_time_another_partition_comes_first() -> None:
    pace = Pace()
    firsts = []
    for _ in range(8):
        order = pace.order([0, 1, 5, 7])
        firsts.append(next(order))
    assert firsts == [0, 1, 5, 7, 0, 1, 5, 7]
    assert list(pace.order([0, 1, 5, 7])) == [0, 1, 5, 7]
    assert list(pace.order([7, 5, 1, 0])) == [0, 1, 5, 7]
    assert list(pace.order([])) == []
