"""``tocsin deliveries`` and the timeline on a real notifier: what was given up is told again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.stack import Stack
from shared import standard_webhooks
from shared.clock import SystemClock
from tests.integration.escalation.rig import PARTITIONS, Office
from tests.services import Installation, wait_for

SECRET = standard_webhooks.secret(b"d" * 32)


class Receiver(ThreadingHTTPServer):
    """Takes web hooks, verifies them, and answers as the test says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = 200
        self.got: list[tuple[str, Any]] = []

    @property
    def ids(self) -> list[str]:
        """The ids of what was taken, in order."""
        return [one for one, _ in self.got]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = standard_webhooks.verifying_key(SECRET.encode())
        now = SystemClock().now_ms()
        standard_webhooks.verify([key], lambda name: self.headers.get(name, ""), body, now)
        if self.server.answer == 200:
            self.server.got.append((self.headers["webhook-id"], json.loads(body)))
        self.send_response(self.server.answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep silent."""


class World(NamedTuple):
    """An installation whose only sink is the receiver."""

    office: Office
    receiver: Receiver


@pytest.fixture
def world(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> Iterator[World]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    file = tmp_path / "sinks.toml"
    file.write_text(
        f"""
        [sinks.default]
        kind = "webhook"
        url = "http://127.0.0.1:{receiver.server_port}/"
        secrets = ["{SECRET}"]
        allow_private = true
        """,
        "utf-8",
    )
    installation = Installation(kafka_bootstrap, redis_url)
    office = Office(installation, tmp_path, notifier__sinks_file=str(file))
    loaded = installation.loaded(kafka__partitions=PARTITIONS, notifier__sinks_file=str(file))
    office.stack = Stack(tmp_path, loaded, workers={"escalation": 1, "notifier": 1})
    try:
        yield World(office.start(), receiver)
    finally:
        office.close()
        receiver.shutdown()
        thread.join()
        receiver.server_close()


def replay(office: Office, *words: str, code: int = 0) -> Any:
    """Replay and return what is told about it."""
    done = office.tocsin(
        "deliveries", "replay", "--sink", "default", "--since", "1h", "--json", *words
    )
    assert done.code == code, done.err
    return json.loads(done.out)


def test_what_was_given_up_is_told_again_under_the_ids_of_old(world: World) -> None:
    office, receiver = world
    receiver.answer = 400
    case = office.opened("replayed")

    def listed(status: str) -> list[Any]:
        return office.tocsin(
            "deliveries", "list", "--case", case.case_id, "--status", status, "--json"
        ).rows

    # The page, and that a person has to write the receipt.
    wait_for(lambda: len(listed("parked")) == 2, "what is given up", 60.0, 0.2)
    parked = listed("parked")
    names = sorted(one["notification_id"] for one in parked)
    assert {one["kind"] for one in parked} == {"page", "inform"}
    assert parked[0]["detail"].startswith("HTTP 400")

    told = replay(office, "--parked", "--dry-run")
    assert (told["found"], told["replayed"]) == (2, 0)
    receiver.answer = 200
    assert replay(office, "--parked")["replayed"] == 2
    wait_for(lambda: sorted(receiver.ids) == names, "the replay", 60.0)
    wait_for(lambda: len(listed("delivered")) == 2, "its record", 60.0, 0.2)
    again = replay(office, "--parked", code=1)
    assert (again["replayed"], again["skipped"]) == (0, {"told_since": 2})

    # Of a time range all is told again, but under one id only once.
    for replay_id in ("one", "one", "two"):
        assert replay(office, "--id", replay_id)["replayed"] == 2
    wait_for(lambda: len(receiver.ids) >= 6, "both replays", 60.0)
    wait_for(lambda: len(listed("delivered")) == 6, "their records", 60.0, 0.2)
    assert sorted(receiver.ids) == sorted(names * 3)

    done = office.tocsin("cases", "timeline", case.case_id)
    assert "by default: parked (page)" in done.out
    assert "by default: delivered (page)" in done.out
    shown = office.tocsin("deliveries", "list", "--since", "1h", "--sink", "default")
    assert shown.out.count("default: page") >= 2
    nothing = office.tocsin("deliveries", "list", "--since", "1h", "--sink", "nobody")
    assert (nothing.code, nothing.out) == (0, "")


def test_customers_are_not_written_to_twice(world: World) -> None:
    office, _ = world
    words = ("deliveries", "replay", "--sink", "customer.email", "--since", "1h")
    refused = office.tocsin(*words)
    assert refused.code == 2
    assert "--parked" in refused.err
    assert office.tocsin(*words, "--parked").code == 1
    assert office.tocsin("deliveries", "list", "--since", "yesterday").code == 2
