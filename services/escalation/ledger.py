"""Working memory of one transaction: what was read, what the decisions changed, what to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from services.escalation.domain.decide import Decision, Input, decide
from services.escalation.domain.policy import Policy
from services.escalation.view.model import Changes, Found
from shared import codec
from shared.events import Case, CaseCommand, CaseEvent, CustomerErased, FeedbackOutcome


class Ledger:
    """The cases of one partition as they are in the middle of a transaction.

    Decisions see what the ones before them did. Nothing leaves until the transaction is committed;
    when it is aborted, the ledger is thrown away.
    """

    def __init__(self, found: Found, policy: Policy) -> None:
        self._policy = policy
        self._erased = dict(found.erased)
        self._cases: dict[str, dict[str, Case]] = {
            key: dict(cases) for key, cases in found.cases.items()
        }
        self._decided = set(found.decided)
        self._changed: dict[str, Case] = {}
        self.given = Counter[str]()
        """What people have more (or less) since the view was read, by ``name/severity``."""
        self.events: list[CaseEvent] = []
        self.values: list[bytes] = []
        self.outcomes: list[FeedbackOutcome] = []
        self.sent: list[CaseCommand] = []
        self.removed: dict[str, None] = {}
        self.erased: list[CustomerErased] = []

    def erased_at(self, key: str) -> int | None:
        """Return when a customer was erased, None if never."""
        return self._erased.get(key)

    def knows(self, feedback_id: str) -> bool:
        """Return True when the feedback has its outcome already."""
        return feedback_id in self._decided

    def cases_of(self, key: str) -> Mapping[str, Case]:
        """Return the cases of a customer as they are now."""
        return self._cases.get(key, {})

    def decide(self, key: str, given: Input, now: int) -> Decision:
        """Decide on one input and take over what follows from it.

        Raises:
            Poison: what follows would be too large for a record; nothing was taken over.
        """
        decision = decide(self.cases_of(key), given, now, self._policy)
        # Encoded before anything is taken over: an event carries its whole case, so when it fits
        # into a record, the snapshot does as well.
        values = [codec.encode(event) for event in decision.events]
        for command in decision.sent:
            codec.encode(command)
        mine = self._cases.setdefault(key, {})
        for case in decision.cases:
            self._count(mine.get(case.case_id), -1)
            self._count(case, 1)
            mine[case.case_id] = case
            self._changed[case.case_id] = case
            self.removed.pop(case.case_id, None)
        for case_id in decision.removed:
            self._count(mine.pop(case_id, None), -1)
            self._changed.pop(case_id, None)
            self.removed[case_id] = None
        self.sent.extend(decision.sent)
        if decision.erased is not None:
            self.erased.append(decision.erased)
            self._erased[key] = decision.erased.erased_at
        self.events.extend(decision.events)
        self.values.extend(values)
        if decision.outcome is not None:
            self.outcomes.append(decision.outcome)
            self._decided.add(decision.outcome.feedback_id)
        return decision

    def _count(self, case: Case | None, by: int) -> None:
        if case is not None and case.assignee and case.state not in Case.ENDED:
            self.given[f"{case.assignee}/{case.severity}"] += by

    def refresh(self, key: str, case_id: str) -> None:
        """Have a case written once more as it is: its entry in the timer index was stale."""
        case = self.cases_of(key).get(case_id)
        if case is not None:
            self._changed.setdefault(case_id, case)

    @property
    def snapshots(self) -> list[Case]:
        """Return the last snapshot of every case that was touched."""
        return list(self._changed.values())

    def changes(self, remember_ms: int) -> Changes:
        """Return what the view has to take over."""
        outcomes = {
            outcome.feedback_id: outcome.decided_at + remember_ms for outcome in self.outcomes
        }
        return Changes(
            cases=self.snapshots,
            removed=tuple(self.removed),
            outcomes=outcomes,
            erased={one.record_key: one.erased_at for one in self.erased},
        )
