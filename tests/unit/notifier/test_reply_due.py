"""A task for a person can be made of every reason why a message is not sent by itself."""

from __future__ import annotations

import pytest

from services.notifier.domain.customer import reply_due
from shared.events import CaseEventKind, MessageKind, NoReply
from tests.unit.notifier.plan_world import T0, case, event


@pytest.mark.parametrize("why", NoReply)
@pytest.mark.parametrize("message", MessageKind)
def test_every_reason_makes_a_task(why: NoReply, message: MessageKind) -> None:
    opened = case()
    made = reply_due(event(CaseEventKind.OPENED, of=opened), opened, message, why, T0)
    assert made is None or (made.why, made.kind) == (why, message)
    assert (made is None) <= (why is NoReply.MACHINE)
