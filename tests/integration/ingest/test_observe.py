"""``tocsin observe`` and a real intake: what is observed is in the log, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from services.commands.observe import command
from services.ingest.registry import Source
from services.ingest.source_file import editing
from shared import topics
from shared.errors import Transient
from shared.events import FeedbackReceived

pytestmark = pytest.mark.integration
SAID = (
    "The guest says she was charged twice and is furious.",
    *("--observer", "Jana K."),
    *("--customer", "ann@example.com"),
    *("--at", "2026-05-04T10:10:00Z"),
)


def _observe(service: Any, sources: Path, *arguments: str) -> Result:
    settings = (f"ingest.sources_file={sources}", f"ingest.port={service.url.rpartition(':')[2]}")
    return CliRunner().invoke(
        command, [*SAID, *arguments, "--json"], obj=(None, settings), catch_exceptions=False
    )


def test_an_observation_is_in_the_log_once(launch: Any, tmp_path: Path) -> None:
    sources = tmp_path / "sources.toml"
    with editing(sources) as found:
        found["floor"] = Source(provider="staff", secrets=("the-key-of-the-floor",))
    service = launch(ingest__sources_file=sources)
    first, second = (json.loads(_observe(service, sources).stdout) for _ in range(2))
    assert (first["status"], second["status"]) == ("accepted", "duplicate")
    assert first["feedback_id"] == second["feedback_id"]
    [message] = service.records(topics.FEEDBACK_RECEIVED)
    assert b"ann@example.com" not in message.value()
    event = msgspec.json.decode(message.value(), type=FeedbackReceived)
    assert event.feedback_id == first["feedback_id"]
    assert (event.source, event.provider, event.text) == ("floor", "staff", SAID[0])
    assert event.attributes == {"observed_by": "Jana K.", "quote": False}
    assert service.records(topics.DEAD_LETTERS) == []
    assert service.stop() == 0
    with pytest.raises(Transient, match="nothing answers"):
        _observe(service, sources)
