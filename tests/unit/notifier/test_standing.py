"""What of a case makes a page stale."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from services.notifier.ports import Now
from services.notifier.standing import ViewStanding, now_of
from shared.errors import Transient
from shared.events import (
    Case,
    CaseState,
    Escalation,
    EscalationStatus,
    FollowUp,
    FollowUpState,
)
from shared.ids import partition_of
from tests.unit.notifier.plan_world import case


def paged(status: EscalationStatus, state: CaseState = CaseState.OPEN, epoch: int = 2) -> Case:
    return case(state=state, escalation=Escalation(status=status, epoch=epoch))


@pytest.mark.parametrize(
    ("given", "awaits"),
    [
        (paged(EscalationStatus.PENDING), True),
        (paged(EscalationStatus.EXHAUSTED), True),
        (paged(EscalationStatus.ACKNOWLEDGED, CaseState.ACKNOWLEDGED), False),
        (paged(EscalationStatus.CANCELLED), False),
        (paged(EscalationStatus.PENDING, CaseState.RESOLVED), False),
        (paged(EscalationStatus.PENDING, CaseState.MERGED), False),
    ],
)
def test_a_page_is_awaited_while_nobody_has_acknowledged_it(given: Case, awaits: bool) -> None:
    assert now_of(given) == Now(2, awaits)


@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.COMMUNICATED])
def test_a_broken_promise_is_paged_although_the_case_is_resolved(state: CaseState) -> None:
    promise = FollowUp(number=1, kind="call", due_at=0, state=FollowUpState.MISSED)
    broken = paged(EscalationStatus.CANCELLED, state)
    broken = msgspec.structs.replace(broken, follow_ups=(promise,))
    assert now_of(broken) == Now(2, awaits=False, owes=True)
    kept = msgspec.structs.replace(promise, state=FollowUpState.DONE)
    assert not now_of(msgspec.structs.replace(broken, follow_ups=(kept,))).owes
    assert not now_of(msgspec.structs.replace(broken, state=CaseState.CLOSED)).owes


def test_each_partition_is_asked_for_its_cases() -> None:
    cases = [
        case(record_key=f"acme:{number}", case_id=f"acme:{number}:{number:012x}")
        for number in range(20)
    ]
    asked: list[int] = []

    def read(partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        asked.append(partition)
        for case_id in case_ids:
            assert partition_of(case_id.rpartition(":")[0], 4) == partition
        return {one.case_id: one for one in cases if one.case_id in case_ids}

    wanted = [one.case_id for one in cases] + ["", "nonsense", "acme:unknown:000000000000"]
    found = asyncio.run(ViewStanding(read, lambda _: True, 4).of(wanted))
    assert set(found) == {one.case_id for one in cases}
    assert sorted(asked) == [0, 1, 2, 3]


def test_of_no_case_nobody_is_asked() -> None:
    def read(partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        raise AssertionError("asked")

    assert asyncio.run(ViewStanding(read, lambda _: True, 4).of(["", "x"])) == {}


def test_a_view_that_is_away_says_so() -> None:
    def read(partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        raise Transient("away")

    with pytest.raises(Transient):
        asyncio.run(ViewStanding(read, lambda _: True, 4).of([case().case_id]))


def test_of_a_case_that_a_view_does_not_have_yet_nobody_says_that_it_is_unknown() -> None:
    whole: dict[int, bool] = {}
    known, other = case(), "acme:other:000000000000"

    def read(partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        return {known.case_id: known} if known.case_id in case_ids else {}

    standing = ViewStanding(read, lambda partition: whole.get(partition, False), 4)
    asked = [known.case_id, other]
    assert asyncio.run(standing.of(asked)) == {known.case_id: now_of(known), other: None}
    whole |= dict.fromkeys(range(4), True)
    assert asyncio.run(standing.of(asked)) == {known.case_id: now_of(known)}


def test_a_view_of_a_newer_release_is_one_that_does_not_answer() -> None:
    def read(partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        raise msgspec.ValidationError("an unknown state")

    with pytest.raises(Transient, match="cannot be read"):
        asyncio.run(ViewStanding(read, lambda _: True, 4).of([case().case_id]))
