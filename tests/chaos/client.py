"""Senders: they post batches over HTTP, repeat what was not acknowledged, and remember every promise.

A sender owns its customers and waits for an answer before it goes on, so the order of a customer's
items is known. All pace themselves, so that the load lasts as long as the faults do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.clock import Clock
from shared.commands import CommandSender
from shared.config import Config
from shared.events import CaseCommand, Clarification, CommandKind, Resolution
from shared.topics import Names
from tests.chaos.checker import Promise

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "sample.jsonl"
CHANNELS = {"email", "phone", "social", "reviews", "other"}
RETRY_S = 0.2
TIMEOUT_S = 30.0


class Item(NamedTuple):
    """One feedback to send."""

    sender: str
    number: int
    body: dict[str, Any]


class Answer(NamedTuple):
    """One HTTP answer: when the request began and ended, and how. Status 0: no answer came."""

    began: float
    ended: float
    status: int


def workload(rng: random.Random, count: int, customers: int) -> list[Item]:
    """Return ``count`` items of ``customers`` customers with the texts of the sample, in any mixture."""
    texts = _texts()
    run = f"{rng.getrandbits(40):010x}"
    sent = [0] * customers
    items: list[Item] = []
    for serial in range(count):
        who = rng.randrange(customers)
        sent[who] += 1
        picked = rng.choice(texts)
        body = {
            "id": f"{run}-{serial}",
            "channel": picked["channel"],
            "source": "chaos",
            "author": f"customer-{who}@{run}.example",
            "text": picked["text"],
        }
        items.append(Item(f"customer-{who}", sent[who], body))
    return items


def _texts() -> list[dict[str, Any]]:
    """Return the acceptable items of the sample, which holds broken lines on purpose."""
    found = []
    for line in SAMPLE.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            item = json.loads(line)
            if isinstance(item, dict) and item.get("text") and item.get("channel") in CHANNELS:
                found.append(item)
    return found


@dataclass
class Load:
    """Sends items from several threads at a steady rate; ``doors`` are base URLs, tried in turn."""

    doors: Sequence[str]
    items: Sequence[Item]
    rate: float
    senders: int = 4
    batch: int = 25
    copies: int = 1
    shuffle: random.Random | None = None
    promises: dict[str, Promise] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._further = 0
        self._threads = [
            threading.Thread(
                target=self._guarded, args=(number,), name=f"sender-{number}", daemon=True
            )
            for number in range(self.senders)
        ]

    def start(self) -> Load:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    @property
    def running(self) -> bool:
        """True while something is left to send."""
        return any(thread.is_alive() for thread in self._threads)

    def finish(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged.

        Raises:
            TimeoutError: it is not, after ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = self.running
        self._stop.set()
        if self._errors:
            raise self._errors[0]
        if late:
            raise TimeoutError(f"{len(self.items) - len(self.promises)} items are not acknowledged")

    def abandon(self) -> None:
        """Stop sending, whatever is left."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(TIMEOUT_S + 5)

    def accepted(self) -> list[str]:
        """Return the ids promised so far."""
        with self._lock:
            return list(self.promises)

    def repeat(self, of: Promise, text: str) -> None:
        """Let the customer of an earlier item say something more, through the first door.

        It counts as a sender of its own: nobody waited for its place in the order.
        """
        first = next(item for item in self.items if item.sender == of.sender)
        with self._lock:
            self._further += 1
            number = self._further
        item = Item(
            f"again-{number}",
            1,
            first.body | {"id": f"{first.body['id']}-again-{number}", "text": text},
        )
        body = json.dumps(item.body).encode()
        while not self._stop.is_set():
            results = self._post(self.doors[0], body)
            if results is not None:
                self._keep([item], results)
                return
            self._stop.wait(RETRY_S)

    # ---- one sender

    def _guarded(self, number: int) -> None:
        try:
            self._send_all(number)
        except BaseException as error:  # noqa: BLE001  shown by finish()
            self._errors.append(error)

    def _send_all(self, number: int) -> None:
        mine = [item for item in self.items if hash_of(item.sender) % self.senders == number]
        if self.shuffle is not None:
            mine = mine * self.copies
            random.Random(f"{self.shuffle.random()}").shuffle(mine)
        share = self.rate / self.senders
        door, due = number, time.monotonic()
        for at in range(0, len(mine), self.batch):
            self._stop.wait(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic()) + self.batch / share  # no burst after an outage
            batch = mine[at : at + self.batch]
            body = b"\n".join(json.dumps(item.body).encode() for item in batch)
            while not self._stop.is_set():
                results = self._post(self.doors[door % len(self.doors)], body)
                if results is not None:
                    self._keep(batch, results)
                    break
                door += 1
                self._stop.wait(RETRY_S)

    def _post(self, door: str, body: bytes) -> list[Any] | None:
        """Return the results of a batch that was taken, None when it has to be sent again."""
        began = time.monotonic()
        status, answer = 0, b""
        connection = http.client.HTTPConnection(urlsplit(door).netloc, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST", "/v1/feedback:batch", body, {"Content-Type": "application/x-ndjson"}
            )
            response = connection.getresponse()
            answer = response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        with self._lock:
            self.answers.append(Answer(began, time.monotonic(), status))
        if status in {0, 503}:
            return None
        if status not in {200, 202}:
            raise AssertionError(f"status {status}: {answer[:500]!r}")
        results: list[Any] = json.loads(answer)["results"]
        return results

    def _keep(self, batch: Sequence[Item], results: Sequence[Any]) -> None:
        with self._lock:
            for item, result in zip(batch, results, strict=True):
                if result["status"] not in {"accepted", "duplicate"}:
                    raise AssertionError(f"a 2xx with {result}")
                feedback_id = result["feedback_id"]
                self.promises[feedback_id] = Promise(feedback_id, item.sender, item.number)


class Desk:
    """Somebody who sends commands to cases, and remembers each."""

    CLEAR = Clarification(not_needed="it stands in the message")
    DONE = Resolution(outcome="refunded", reason="it is true", next_step="we call tomorrow")

    def __init__(self, config: Config, clock: Clock) -> None:
        names = Names(config.kafka.topic_prefix)
        self._sender = CommandSender(config.kafka.client(), names, config.kafka.partitions)
        self._clock = clock
        self.sent: list[str] = []

    def ask(self, case: Mapping[str, Any], kind: CommandKind, **fields: Any) -> str:
        """Send one command to a case, given as its snapshot; return the id of the command."""
        if kind is CommandKind.RESOLVE:
            fields = {"clarification": self.CLEAR, "resolution": self.DONE} | fields
        command = CaseCommand(
            command_id=f"desk-{uuid.uuid4().hex}",
            tenant=case["tenant"],
            case_id=case["case_id"],
            kind=kind,
            actor="desk",
            at=self._clock.now_ms(),
            **fields,
        )
        self._sender.send(command)
        self.sent.append(command.command_id)
        return command.command_id

    def flush(self) -> None:
        """Wait until Kafka has all of them."""
        self._sender.flush()


def hash_of(name: str) -> int:
    """Return a number that is the same in every run."""
    return int.from_bytes(name.encode(), "big") % 1_000_003
