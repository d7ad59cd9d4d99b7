"""What intake writes of where a customer can be answered is what the notifier finds."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import topics
from shared.events import FeedbackReceived, ReplyRoute
from shared.ids import partition_of
from shared.routes import Route, open_sealed, route_id
from shared.sealing import Sealer
from tests.integration.ingest.conftest import PARTITIONS

pytestmark = pytest.mark.integration

KEY = "the key of the seals"
SOURCES = '[sources.mail]\nprovider = "postmark"\nsecrets = ["hook:a-long-password"]\n'


def _mail(number: int) -> bytes:
    return json.dumps({
        "MessageID": f"0a1b2c3d-0000-4000-8000-00000000000{number}",
        "From": f"ann{number}@customer.example",
        "Subject": "Where is my refund",
        "Date": "Mon, 02 Nov 2026 10:00:00 +0000",
        "TextBody": "I want my money back.",
        "Headers": [{"Name": "Message-ID", "Value": f"<m{number}@customer.example>"}],
    }).encode()  # fmt: skip


def test_routes_are_written_sealed_to_the_partition_of_the_customer(
    launch: Any, tmp_path: Path
) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(SOURCES)
    service = launch(ingest__sources_file=str(path), privacy__seal_key=KEY)
    basic = base64.b64encode(b"hook:a-long-password").decode()
    for number in range(6):
        answer = service.post("/v1/hooks/mail", _mail(number), Authorization=f"Basic {basic}")
        assert answer.status == 200
    received = [
        msgspec.json.decode(one.value(), type=FeedbackReceived)
        for one in service.records(topics.FEEDBACK_RECEIVED)
    ]
    written = {one.key().decode(): one for one in service.records(topics.REPLY_ROUTES)}
    assert len(received) == 6
    assert len(written) == 12
    sealer, found = Sealer(KEY.encode()), set[str]()
    for event in received:
        for thread in (event.thread_id, None):
            one = written[route_id(event.record_key, "mail", thread)]
            assert one.partition() == partition_of(event.record_key, PARTITIONS)
            assert b"customer.example" not in one.value()
            route = open_sealed(msgspec.json.decode(one.value(), type=ReplyRoute), sealer)
            assert isinstance(route, Route)
            assert route.reply_to == event.native_id
            found.add(route.address)
    assert found == {f"ann{number}@customer.example" for number in range(6)}
