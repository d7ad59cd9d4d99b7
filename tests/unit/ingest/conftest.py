"""Intake with everything outside replaced by its in-memory stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.intake import Intake
from services.ingest.log import MemoryLog
from services.ingest.metering import Metering
from services.ingest.prepare import Preparer
from services.ingest.repeats import Repeats
from services.ingest.whereabouts import Whereabouts
from shared.clock import ManualClock
from shared.metrics import Metrics
from shared.stores.memory_contacts import MemoryContacts
from shared.stores.memory_dedupe import MemoryDedupe
from shared.topics import Names


class Rig:
    """What a test of intake needs at hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.preparer = Preparer("acme", b"secret", Names(), self.clock)
        self.log = MemoryLog()
        self.dedupe = MemoryDedupe(3600.0, self.clock.monotonic)
        self.known_items = MemoryContacts(3600.0, self.clock.monotonic)
        self.contacts = MemoryContacts(3600.0, self.clock.monotonic)

    def intake(self, deadline_s: float = 1.0) -> Intake:
        return Intake(
            self.preparer,
            self.dedupe,
            Repeats(self.contacts),
            Whereabouts(self.known_items),
            self.log,
            Metering(self.metrics),
            deadline_s,
        )

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def item() -> Callable[..., bytes]:
    """Return JSON of an item; None as a value leaves the field out."""

    def make(**fields: Any) -> bytes:
        whole = {"id": "1", "channel": "email", "text": "It broke.", "author": "a@x.com"} | fields
        return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()

    return make
