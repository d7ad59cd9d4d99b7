"""Real payloads, where they are at hand; what they give is printed by ``tests.data.social_payloads``."""

from __future__ import annotations

import pytest

from services.ingest.channels.provider import Delivery
from shared.events import Operation
from tests.data import social_payloads as data

pytestmark = pytest.mark.skipif(not data.PAYLOADS.is_dir(), reason="the payloads are not here")


def test_every_update_of_whatsapp_gives_something() -> None:
    outcomes = {name: data.whatsapp_outcome(body) for name, body in data.updates(data.PAYLOADS)}
    assert len(outcomes) > 60
    assert [name for name, delivery in outcomes.items() if delivery == Delivery()] == []
    assert [name for name, delivery in outcomes.items() if delivery.unfit] == []
    edits = [item for item in outcomes["edited_message/image"].items if item.op is Operation.UPDATE]
    assert len(edits) == 1
    assert outcomes["deleted_message/revoke"].items[0].op is Operation.DELETE


def test_the_frames_of_bluesky() -> None:
    outcomes = [data.bluesky_outcome(frame) for _, frame in data.frames(data.PAYLOADS)]
    assert len(outcomes) > 150
    assert all(cursor is not None and not delivery.unfit for delivery, cursor in outcomes)
    items = [item for delivery, _ in outcomes for item in delivery.items]
    assert len(items) > 10
    assert all(item.author and item.native_id.startswith("at://did:") for item in items)
