"""Folds events to the last snapshot of each case, and compares with what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.escalation.domain.policy import DAY, Policy
from services.escalation.replaying.redecide import quietly
from services.escalation.replaying.report import Difference, Logged, Of, Report, difference
from shared.events import Case, CaseEvent, TimerKind
from shared.ids import record_key_of_case


@dataclass
class Fold:
    """What the events of a partition come to: of each case its last event with a snapshot.

    ``partial`` has the customers of whom the log does not have all, with the offset up to which.
    """

    last: dict[str, CaseEvent] = field(default_factory=dict)
    partial: dict[str, int] = field(default_factory=dict)

    def take(self, one: Logged, report: Report) -> None:
        """Take over one event; its number has to be that after the last one of its case."""
        event = one.event
        if event.case is None:
            return
        before = self.last.get(event.case_id)
        if before is None and event.case_seq > 1:
            self.partial[record_key_of_case(event.case_id)] = one.at
        elif before is not None and before.event_id == event.event_id:
            return
        elif event.case_seq != (before.case_seq if before else 0) + 1:
            expected = (before.case_seq if before else 0) + 1
            told = str(event.case_seq)
            report.add(
                Difference(
                    of=Of.NUMBERING,
                    case_id=event.case_id,
                    field="case_seq",
                    logged=told,
                    found=f"expected {expected}",
                    where=one.where,
                )
            )
        self.last[event.case_id] = event


@dataclass(frozen=True)
class Kept:
    """What is kept besides the events: the snapshots of ``case.state``, the view (None: there is none).

    ``erased`` maps record keys to the time of the erasure (ms).
    """

    state: Mapping[str, Case]
    view: Mapping[str, Case] | None
    erased: Mapping[str, int]


@dataclass(frozen=True)
class Judge:
    """Compares; ``whole``: the log has all events there ever were."""

    policies: Mapping[str, Policy]
    now: int
    whole: bool

    def differences(self, case_id: str, event: CaseEvent | None, kept: Kept) -> list[Difference]:
        """Return what differs about a case; ``event`` is its last one."""
        state = kept.state.get(case_id)
        found = [self._state(case_id, event, state, kept)]
        if kept.view is not None:
            found.append(difference(Of.VIEW, case_id, state, kept.view.get(case_id)))
        return [one for one in found if one is not None]

    def _state(
        self, case_id: str, event: CaseEvent | None, state: Case | None, kept: Kept
    ) -> Difference | None:
        snapshot = None if event is None else event.case
        if snapshot is None:
            return difference(Of.STATE, case_id, None, state) if self.whole else None
        if state is None and snapshot.opened_at <= kept.erased.get(snapshot.record_key, -1):
            return None
        found = difference(Of.STATE, case_id, snapshot, state)
        if found is None or (event is not None and self._is_quiet(event, snapshot, state)):
            return None
        return found

    def _is_quiet(self, event: CaseEvent, snapshot: Case, state: Case | None) -> bool:
        """Tell whether only a timer that leaves no event has changed the case since."""
        policy = self.policies.get(event.policy)
        if policy is None:
            return False
        times = {self.now}
        if state is not None:
            times |= {one.due_at - DAY for one in state.timers if one.kind is TimerKind.FORGET}
        return any(
            quietly({snapshot.case_id: snapshot}, at, policy).get(snapshot.case_id) == state
            for at in times
        )
