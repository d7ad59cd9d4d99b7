from __future__ import annotations

import pytest

from shared.errors import TooManyDeadLetters
from shared.streams.dead_letters import Limit
from tests.unit.streams.fakes import IN, IN_1, chunk


def count(limit: Limit, *chunks: tuple[int, int]) -> None:
    """Count chunks of one partition: (records, dead letters among them)."""
    at = 0
    for records, dead in chunks:
        limit.count([chunk(at, records)], {IN: dead} if dead else {})
        at += records


def test_a_run_up_to_the_limit_is_borne_and_one_more_is_not() -> None:
    limit = Limit(run=5, ratio=1.0, window=1_000)
    count(limit, (3, 3), (2, 2))
    with pytest.raises(TooManyDeadLetters, match=r"in/0: 6 dead letters in a row"):
        count(limit, (1, 1))


def test_a_good_record_ends_a_run() -> None:
    limit = Limit(run=5, ratio=1.0, window=1_000)
    count(limit, (5, 5), (5, 4), (5, 5))


def test_a_whole_chunk_may_be_too_long_a_run() -> None:
    with pytest.raises(TooManyDeadLetters):
        count(Limit(run=5, ratio=1.0, window=1_000), (6, 6))


def test_a_share_counts_once_the_window_is_full() -> None:
    limit = Limit(run=1_000, ratio=0.5, window=10)
    count(limit, (9, 8))
    with pytest.raises(TooManyDeadLetters, match=r"80% of the last 10 records"):
        count(limit, (1, 0))


def test_a_share_at_the_limit_is_borne() -> None:
    count(Limit(run=1_000, ratio=0.5, window=10), (10, 5), (10, 5), (10, 5))


def test_the_window_moves_on() -> None:
    limit = Limit(run=1_000, ratio=0.5, window=10)
    count(limit, (6, 5), (10, 0), (10, 5), (10, 5))
    with pytest.raises(TooManyDeadLetters):
        count(limit, (1, 1))


def test_the_window_holds_no_more_chunks_than_it_needs() -> None:
    limit = Limit(run=10, ratio=0.5, window=10)
    count(limit, *[(1, 0)] * 1_000)
    assert len(limit._recent[IN]) == 10


def test_partitions_are_counted_apart() -> None:
    limit = Limit(run=5, ratio=1.0, window=1_000)
    for at in range(5):
        limit.count([chunk(at), chunk(at, 1, IN_1)], {IN: 1, IN_1: 1})
    with pytest.raises(TooManyDeadLetters, match="in/1"):
        limit.count([chunk(5, 1, IN_1)], {IN_1: 1})


def test_good_records_alone_never_stop_a_worker() -> None:
    count(Limit(run=0, ratio=0.0, window=1), *[(7, 0)] * 50)


def test_a_dead_letter_that_is_no_record_of_the_chunk_is_not_counted_twice() -> None:
    limit = Limit(run=100, ratio=1.0, window=10)
    count(limit, (10, 25))
    assert limit._recent[IN][0] == (10, 10)


def test_one_bad_record_among_many_small_chunks_is_one() -> None:
    """While Redis is away, chunks of one record each queue up; one transaction takes them all."""
    chunks = [chunk(at) for at in range(20)]
    Limit(run=5, ratio=0.5, window=10).count(chunks, {IN: 1})


def test_a_run_may_go_over_the_chunks_of_one_transaction() -> None:
    with pytest.raises(TooManyDeadLetters):
        Limit(run=5, ratio=1.0, window=100).count([chunk(at) for at in range(6)], {IN: 6})
