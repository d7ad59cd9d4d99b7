"""``reference/openapi-*.json``: OpenAPI 3.1 of every HTTP interface, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from deploy.docgen import openapi_callbacks, openapi_intake, openapi_webhooks
from deploy.docgen.schemas import written
from services.console.api import openapi
from services.console.api.app import table
from services.console.api.reading import Reading
from services.console.api.reads import Reads
from services.console.api.writes import Writes
from services.console.ports import Cases, Commands, Record
from services.console.waiting import Waiting
from shared.clock import Clock


def documents(golden: Path, version: str) -> dict[str, str]:
    """Return the text of each document by the name of its file.

    Args:
        golden: folder of the golden messages; examples come from there.
        version: of the distribution.
    """
    made = {
        "console": _console(version),
        "intake": openapi_intake.document(version),
        "callbacks": openapi_callbacks.document(version),
        "webhooks": openapi_webhooks.document(golden, version),
    }
    return {f"openapi-{name}.json": written(document) for name, document in made.items()}


def _console(version: str) -> dict[str, object]:
    """Return the document that the API serves; nothing of what its routes do is called."""
    reading = cast("Reading", None)
    reads = Reads(cast("Cases", None), cast("Record", None), reading, reading)
    writes = Writes(
        reads, cast("Commands", None), cast("Waiting", None), cast("Clock", None), deadline_s=0.0
    )
    made = json.loads(openapi.document(table(reads, writes), version))
    assert isinstance(made, dict)  # noqa: S101  it is one
    return made
