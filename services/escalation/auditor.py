"""The auditor: every live case has a next step in the future. A violation is counted and repaired."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from services.escalation.domain import audit
from services.escalation.domain.decide import CommandIn
from services.escalation.inbox import Inbox
from services.escalation.ledger import Ledger
from services.escalation.metering import Meter
from services.escalation.view.model import Checkpoint, View
from shared.ids import record_key_of_case

AUDIT_S = 5.0
AUDITED_AT_ONCE = 500
SLACK_MS = 60_000
"""How late a deadline may be before it counts as lost: the owner polls ten times a second."""


class Auditor:
    """Walks through the cases of the owned partitions, some of them each time, round and round."""

    def __init__(self, view: View, meter: Meter) -> None:
        self._view = view
        self._meter = meter
        self._next = time.monotonic() + AUDIT_S

    def look(
        self,
        checkpoints: Mapping[int, Checkpoint | None],
        inboxes: dict[int, Inbox],
        now: int,
        but: Collection[str],
    ) -> None:
        """Add to the inboxes what has no deadline, or one that passed long ago; ``but`` these."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + AUDIT_S
        for number, checkpoint in checkpoints.items():
            if checkpoint is not None:
                found = self._view.unattended(number, checkpoint, now - SLACK_MS, AUDITED_AT_ONCE)
                if found:
                    inboxes[number].audited = [one for one in found if one not in but]
        self._meter.audited(now)

    def repair(self, case_id: str, ledger: Ledger, now: int) -> None:
        """Give a case its next step back; one that is only wrong in the index is written anew."""
        key = record_key_of_case(case_id)
        case = ledger.cases_of(key).get(case_id)
        if case is None:
            return
        if audit.violation(case):
            ledger.decide(key, CommandIn(audit.command(case, now)), now)
        elif case.next_due_at is not None and case.next_due_at < now - SLACK_MS:
            self._meter.misplaced_timer()
            ledger.refresh(key, case_id)
