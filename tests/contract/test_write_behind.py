"""Whoever reads through a write-behind view sees every write made before, and waits for no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from services.escalation.view.behind import WriteBehind
from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Changes, Checkpoint, View
from shared.errors import Transient
from tests.contract.views import NOW, case

FIRST = Checkpoint(1, "state-id", 10, "outcomes-id", 20, NOW)
SECOND = msgspec.structs.replace(FIRST, state_offset=12)
KEY = "acme:c1"
WAIT_S = 10.0


class Slow(MemoryView):
    """Writes when it is let, and fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.fails = False
        self.order: list[int] = []

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        assert self.gate.wait(WAIT_S)
        self.order.append(partition)
        if self.fails:
            raise Transient("away")
        return super().apply(partition, expected, new, changes)


@pytest.fixture
def slow() -> Iterator[Slow]:
    view = Slow()
    yield view
    view.gate.set()


READS: list[Callable[[View], object]] = [
    lambda view: view.checkpoint(0),
    lambda view: view.fetch(0, [], [KEY]).cases[KEY],
    lambda view: view.due(0, FIRST, NOW, 9),
    lambda view: view.standing(0, FIRST).timers,
    lambda view: view.load(0, FIRST),
    lambda view: view.unattended(0, FIRST, NOW + 1, 9),
    lambda view: view.by_id(0, [case().case_id]),
    lambda view: view.page(0, 9),
]


@pytest.mark.parametrize("read", READS)
def test_a_read_waits_for_the_write_before_it(slow: Slow, read: Callable[[View], object]) -> None:
    view = WriteBehind(slow)
    assert view.apply(0, None, FIRST, Changes(cases=[case(due=NOW, assignee="ada")]))
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(read(view)))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    slow.gate.set()
    reader.join(WAIT_S)
    assert answers[0]
    assert answers == [read(slow)]


def test_a_read_of_another_partition_does_not_wait(slow: Slow) -> None:
    view = WriteBehind(slow)
    view.apply(0, None, FIRST, Changes(cases=[case()]))
    assert view.checkpoint(1) is None
    assert slow.order == []


def test_writes_are_made_in_order(slow: Slow) -> None:
    view = WriteBehind(slow)
    for number in (2, 0, 1):
        view.apply(number, None, FIRST, Changes())
    slow.gate.set()
    view.apply(0, FIRST, SECOND, Changes())
    assert [view.checkpoint(number) for number in range(3)] == [SECOND, FIRST, FIRST]
    assert slow.order == [2, 0, 1, 0]


def test_a_write_that_fails_or_is_refused_is_noticed_by_the_next_read(slow: Slow) -> None:
    slow.gate.set()
    view = WriteBehind(slow)
    view.apply(0, None, FIRST, Changes(cases=[case()]))
    view.apply(0, SECOND, SECOND, Changes(cases=[case(seq=2)]))
    assert view.fetch(0, [], [KEY]).checkpoint == FIRST
    slow.fails = True
    view.apply(0, FIRST, SECOND, Changes(cases=[case(seq=2)]))
    found = view.fetch(0, [], [KEY])
    assert found.checkpoint == FIRST
    assert found.cases[KEY][case().case_id].case_seq == 1
