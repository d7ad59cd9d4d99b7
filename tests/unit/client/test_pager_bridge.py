"""The pager of the example leaves no page behind of an epoch that is over."""

from __future__ import annotations

import msgspec

from deploy.examples.pager_bridge import Pager
from shared.events import Case, CaseEventKind, Escalation
from tests.contract.client_beds import escalation


def test_a_page_is_resolved_when_its_epoch_is_over_though_a_held_step_began_the_next() -> None:
    sent: list[tuple[str, int]] = []

    class Kept(Pager):
        def _send(self, action: str, case: Case, epoch: int, whom: str = "") -> None:
            sent.append((action, epoch))

    pager = Kept("http://pager.example", "key")
    steps = (
        (CaseEventKind.ESCALATION_TRIGGERED, 1),
        (CaseEventKind.STEP_HELD, 2),
        (CaseEventKind.REESCALATED, 2),
    )
    for seq, (kind, epoch) in enumerate(steps, 1):
        event = escalation("a", seq, kind)
        assert event.case is not None
        case = msgspec.structs.replace(event.case, escalation=Escalation(epoch=epoch))
        pager.tell(msgspec.structs.replace(event, epoch=epoch, case=case))
    assert sent == [("trigger", 1), ("resolve", 1), ("trigger", 2)]
