"""A console and an escalation worker as real processes, and a customer who writes."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Producer

from deploy.stack import Stack
from shared import codec, ids, topics
from shared.config import Scalar
from shared.events import (
    Case,
    Channel,
    Classification,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Severity,
)
from tests.services import Installation, wait_for

PARTITIONS = 2
TENANT = "acme"
TOKENS = {role: f"{role}-token-of-this-test" for role in ("viewer", "agent", "lead", "admin")}


class Reply(NamedTuple):
    """An answer of the API; ``body`` is the JSON."""

    status: int
    body: Any
    headers: Message


class House:
    """One installation: ``close`` ends its processes."""

    def __init__(self, installation: Installation, folder: Path, **extra: Scalar) -> None:
        self.installation = installation
        tokens = ",".join(f"{role}:{role}:{token}" for role, token in TOKENS.items())
        loaded = installation.loaded(
            kafka__partitions=PARTITIONS, tenant=TENANT, console__tokens=tokens, **extra
        )
        self.stack = Stack(folder, loaded, workers={"console": 1, "escalation": 1})
        self._producer = Producer({"bootstrap.servers": installation.bootstrap})
        self._numbers = 0

    def start(self) -> House:
        """Start both processes and wait until they are ready."""
        self.stack.start()
        return self

    def close(self) -> None:
        """End everything."""
        self.stack.stop()

    def ask(
        self, method: str, path: str, body: object = None, role: str = "agent", **headers: str
    ) -> Reply:
        """Send a request; ``If_Match="…"`` is a header."""
        request = urllib.request.Request(  # noqa: S310 (it is our own server)
            self.stack.console_url + path,
            None if body is None else json.dumps(body).encode(),
            {name.replace("_", "-"): value for name, value in headers.items()}
            | {"Authorization": f"Bearer {TOKENS[role]}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60.0) as answer:  # noqa: S310
                return Reply(answer.status, json.load(answer), answer.headers)
        except urllib.error.HTTPError as error:
            return Reply(error.code, json.load(error), error.headers)

    def get(self, path: str, role: str = "viewer") -> Reply:
        """Read something of the API."""
        return self.ask("GET", "/api/v1" + path, role=role)

    def post(self, path: str, body: object = None, role: str = "agent", **headers: str) -> Reply:
        """Do something through the API."""
        return self.ask("POST", "/api/v1" + path, body or {}, role, **headers)

    def open_case(
        self,
        severity: Severity = Severity.HIGH,
        kind: Kind = Kind.COMPLAINT,
        customer: str | None = None,
        text: str = "The kettle leaks.",
    ) -> Case:
        """Have a customer write, and return the case that this opens."""
        self._numbers += 1
        customer = customer or f"c{self._numbers}"
        native_id = f"m{self._numbers}"
        received = FeedbackReceived(
            feedback_id=ids.feedback_id(TENANT, "inbox", native_id, "1"),
            tenant=TENANT,
            source="inbox",
            channel=Channel.EMAIL,
            native_id=native_id,
            record_key=ids.record_key(TENANT, customer),
            customer_key=customer,
            received_at=time.time_ns() // 1_000_000,
            text=text,
            thread_id=native_id,
        )
        found = Classification(severity=severity, kind=kind, confidence=0.9)
        event = FeedbackClassified(
            feedback=received, classification=found, classified_at=received.received_at
        )
        self._producer.produce(
            self.installation.names.of(topics.FEEDBACK_CLASSIFIED),
            codec.encode(event),
            received.record_key,
            partition=ids.partition_of(received.record_key, PARTITIONS),
        )
        self._producer.flush(30)
        case_id = ids.case_id(TENANT, customer, received.feedback_id)
        return wait_for(lambda: self.case(case_id), f"a case {case_id}")

    def case(self, case_id: str) -> Case | None:
        """Return the case as the API shows it."""
        answer = self.get(f"/cases/{case_id}")
        if answer.status != 200:
            return None
        return codec.Decoder[Case]([Case]).decode(json.dumps(answer.body).encode())
