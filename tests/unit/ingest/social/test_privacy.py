"""What the providers make of their golden cases, as events: no number of a customer is in them."""

from __future__ import annotations

import msgspec

from services.ingest.channels.provider import Delivery
from services.ingest.channels.providers import meta
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import Door, Preparer
from shared import topics
from shared.clock import ManualClock
from tests.contract.providers import golden

NUMBER = b"972500000001"


def test_the_number_of_a_whatsapp_customer_is_in_no_event() -> None:
    cases = golden.load("meta")
    preparer = Preparer("t", b"k" * 32, topics.Names(""), ManualClock(cases.now_ms()))
    seen = 0
    for case in cases.cases:
        hook, settings = cases.hook(case), cases.settings()
        try:
            delivery = meta.parse(hook, settings)
        except Rejected:
            delivery = Delivery()
        for item in delivery.items:
            prepared = preparer.prepare(item, Door(source="golden", settings=settings))
            assert prepared.event is not None, case.name
            assert NUMBER not in msgspec.json.encode(prepared.event), case.name
            seen += NUMBER in hook.body
    assert seen > 10
