"""What is redacted can be opened by whoever holds the key, and by nobody else."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import topics
from shared.events import DeadLetter, FeedbackReceived, Original

pytestmark = pytest.mark.integration

KEY = "the key of the seals"
TEXT = """Please call me on +49 30 901820 today.

On Mon, 2 Nov 2026 at 10:00, Shop <s@shop.example> wrote:
> Hello
"""
SOURCES = '[sources.mail]\nprovider = "postmark"\nsecrets = ["hook:a-long-password"]\n'


def _post(service: Any, body: bytes) -> int:
    basic = base64.b64encode(b"hook:a-long-password").decode()
    answer = service.post("/v1/hooks/mail", body, Authorization=f"Basic {basic}")
    return int(answer.status)


def _mail(text: str) -> bytes:
    headers = [{"Name": "Message-ID", "Value": "<m1@customer.example>"}]
    return json.dumps({
        "MessageID": "0a1b2c3d-0000-4000-8000-000000000001",
        "From": "ann@customer.example",
        "Subject": "Re: Where is my refund",
        "Date": "Mon, 02 Nov 2026 10:00:00 +0000",
        "TextBody": text,
        "Headers": headers,
    }).encode()  # fmt: skip


def _show(service: Any, digest: str, key: str) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": service.bootstrap,
        "TOCSIN_KAFKA__TOPIC_PREFIX": service.names.prefix,
        "TOCSIN_PRIVACY__SEAL_KEY": key,
    }
    command = [sys.executable, "-m", "services.cli", "originals", "show", digest]
    return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)


def _sources(folder: Path) -> str:
    path = folder / "sources.toml"
    path.write_text(SOURCES)
    return str(path)


def test_an_original_is_sealed_and_opens_with_the_key(launch: Any, tmp_path: Path) -> None:
    service = launch(ingest__sources_file=_sources(tmp_path), privacy__seal_key=KEY)
    assert _post(service, _mail(TEXT)) == 200
    [message] = service.records(topics.FEEDBACK_RECEIVED)
    event = msgspec.json.decode(message.value(), type=FeedbackReceived)
    assert "901820" not in message.value().decode()
    assert event.redacted["phone"] == 1
    assert event.raw is not None
    [sealed] = service.records(topics.FEEDBACK_ORIGINALS)
    assert b"901820" not in msgspec.json.decode(sealed.value(), type=Original).sealed
    opened = _show(service, event.raw.digest, KEY)
    assert opened.returncode == 0, opened.stderr
    assert b"901820" in opened.stdout
    assert _show(service, event.raw.digest, "another key").returncode == 2
    assert _show(service, "0" * 64, KEY).returncode == 1


def test_what_is_refused_is_sealed_too(launch: Any, tmp_path: Path) -> None:
    service = launch(ingest__sources_file=_sources(tmp_path), privacy__seal_key=KEY)
    assert _post(service, b'{"From": 7, "TextBody": "+49 30 901820"}') == 200
    [message] = service.records(topics.DEAD_LETTERS)
    letter = msgspec.json.decode(message.value(), type=DeadLetter)
    assert letter.sealed
    assert b"901820" not in (letter.value or b"")


def test_without_a_key_nothing_unredacted_is_kept_of_what_was_taken(
    launch: Any, tmp_path: Path
) -> None:
    service = launch(ingest__sources_file=_sources(tmp_path))
    assert _post(service, _mail(TEXT)) == 200
    [message] = service.records(topics.FEEDBACK_RECEIVED)
    event = msgspec.json.decode(message.value(), type=FeedbackReceived)
    assert event.raw is not None
    assert event.raw.topic is None
    assert service.records(topics.FEEDBACK_ORIGINALS) == []
