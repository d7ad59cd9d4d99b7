"""Which notification may be sent now, against a reference that looks at everything each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.lanes import Lanes, Waiting, takes_back
from shared.events import NotificationKind
from tests.unit.notifier.world import notification

PAGE, ACK = NotificationKind.PAGE, NotificationKind.ACKNOWLEDGE
RESOLVE, EVENT = NotificationKind.RESOLVE, NotificationKind.EVENT

One = Waiting[int]


def one(
    number: int, case: int | None = 0, kind: NotificationKind = EVENT, epoch: int | None = None
) -> One:
    return Waiting(notification(number, case, kind, epoch), number)


def test_a_case_goes_one_after_another_and_cases_go_beside() -> None:
    lanes = Lanes[int]()
    first, second, other = one(1), one(2), one(3, case=1)
    for each in (first, second, other):
        assert lanes.add(each) == []
    assert [lanes.start(0.0), lanes.start(0.0), lanes.start(0.0)] == [first, other, None]
    lanes.remove(first)
    assert lanes.start(0.0) is second
    assert len(lanes) == 2


def test_what_is_of_no_case_holds_back_nothing() -> None:
    lanes = Lanes[int]()
    for number in range(3):
        lanes.add(one(number, case=None))
    assert [found.mark for found in iter(lambda: lanes.start(0.0), None)] == [0, 1, 2]


def test_a_head_that_waits_holds_back_its_lane_only() -> None:
    lanes = Lanes[int]()
    first, second, other = one(1), one(2), one(3, case=1)
    lanes.add(first)
    lanes.add(second)
    assert lanes.start(0.0) is first
    lanes.retry(first, 5.0)
    lanes.add(other)
    assert lanes.start(4.9) is other
    assert lanes.start(4.9) is None
    assert lanes.next_at() == 5.0
    assert lanes.start(5.0) is first


def test_a_later_acknowledgement_makes_a_waiting_page_stale() -> None:
    lanes = Lanes[int]()
    page, ack = one(1, kind=PAGE, epoch=1), one(2, kind=ACK, epoch=1)
    lanes.add(page)
    assert lanes.start(0.0) is page
    lanes.retry(page, 60.0)
    assert lanes.add(ack) == [page]
    assert lanes.start(0.0) is ack
    lanes.remove(ack)
    assert (len(lanes), lanes.next_at(), lanes.start(1e9)) == (0, None, None)


def test_a_page_that_runs_is_only_marked() -> None:
    lanes = Lanes[int]()
    page = one(1, kind=PAGE, epoch=1)
    lanes.add(page)
    assert lanes.start(0.0) is page
    assert lanes.add(one(2, kind=RESOLVE, epoch=1)) == []
    assert page.stale
    assert len(lanes) == 2


def test_what_takes_a_page_back() -> None:
    page = notification(1, 0, PAGE, 3)
    for kind, epoch, expected in (
        (ACK, 2, False),
        (ACK, 3, True),
        (ACK, 4, True),
        (ACK, None, True),
        (RESOLVE, 2, False),  # the next epoch takes back the last one
        (RESOLVE, 3, True),
        (RESOLVE, None, True),
        (PAGE, 3, False),
        (PAGE, 4, True),
        (EVENT, 9, False),
    ):
        assert takes_back(notification(2, 0, kind, epoch), page) is expected, (kind, epoch)
    assert not takes_back(notification(2, 0, RESOLVE, 3), notification(1, 0, EVENT, 3))


def test_those_that_failed_with_the_target_are_called_back_when_it_answers() -> None:
    lanes = Lanes[int]()
    faulted, refused = one(1), one(2, case=1)
    for each in (faulted, refused):
        lanes.add(each)
        assert lanes.start(0.0) is each
    faulted.faulted = True
    lanes.retry(faulted, 7_200.0)
    lanes.retry(refused, 30.0)
    lanes.recall()
    assert lanes.start(0.0) is faulted
    assert lanes.start(0.0) is None
    assert lanes.start(30.0) is refused


def test_put_back_is_the_next_again() -> None:
    lanes = Lanes[int]()
    first, other = one(1), one(2, case=1)
    lanes.add(first)
    lanes.add(other)
    assert lanes.start(0.0) is first
    lanes.put_back(first)
    assert lanes.start(0.0) is first


def test_clearing_leaves_what_runs() -> None:
    lanes = Lanes[int]()
    runs, waits, behind = one(1), one(2, case=1), one(3)
    for each in (runs, waits, behind):
        lanes.add(each)
    assert lanes.start(0.0) is runs
    assert {gone.mark for gone in lanes.clear()} == {2, 3}
    assert len(lanes) == 1
    assert lanes.start(0.0) is None
    lanes.remove(runs)
    assert len(lanes) == 0


class Reference:
    """Looks at every notification each time: slow, and hard to get wrong."""

    def __init__(self) -> None:
        self.lanes: dict[str, list[One]] = {}
        self.due: dict[int, float] = {}
        self.running: set[int] = set()

    def add(self, new: One) -> set[int]:
        lane = self.lanes.setdefault(new.lane, [])
        stale = [old for old in lane if takes_back(new.notification, old.notification)]
        lane.append(new)
        left = {old.mark for old in stale} - self.running
        for mark in left:
            self.leave(mark)
        return left

    def leave(self, mark: int) -> None:
        for lane in self.lanes.values():
            lane[:] = [old for old in lane if old.mark != mark]
        self.running.discard(mark)
        self.due.pop(mark, None)

    def may_start(self, now: float) -> set[int]:
        heads = {lane[0].mark for lane in self.lanes.values() if lane}
        return {mark for mark in heads - self.running if self.due.get(mark, 0.0) <= now}


ADD = st.tuples(st.integers(0, 2), st.sampled_from([PAGE, ACK, RESOLVE, EVENT]), st.integers(1, 3))
STEP = st.one_of(ADD, st.sampled_from(["start", "end", "retry", "later"]))


@given(st.lists(STEP, max_size=80))
def test_it_does_what_the_reference_does(
    steps: list[tuple[int, NotificationKind, int] | str],
) -> None:
    lanes, reference, now = Lanes[int](), Reference(), 0.0
    known: dict[int, One] = {}
    for number, step in enumerate(steps):
        running = sorted(reference.running)
        if isinstance(step, tuple):
            known[number] = one(number, *step)
            assert {gone.mark for gone in lanes.add(known[number])} == reference.add(known[number])
        elif step == "later":
            now += 10.0
        elif step == "start":
            found = lanes.start(now)
            allowed = reference.may_start(now)
            assert (found.mark in allowed) if found else not allowed
            if found:
                reference.running.add(found.mark)
        elif running and step == "end":
            lanes.remove(known[running[0]])
            reference.leave(running[0])
        elif running:
            lanes.retry(known[running[-1]], now + 15.0)
            reference.running.discard(running[-1])
            reference.due[running[-1]] = now + 15.0
        assert len(lanes) == sum(map(len, reference.lanes.values()))
