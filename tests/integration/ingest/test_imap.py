"""Mailboxes of a real Dovecot, read by real processes into a real Kafka."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from shared import topics
from tests.integration.ingest import dovecot
from tests.integration.ingest.dovecot import PASSWORD, Cable, Dovecot

pytestmark = pytest.mark.integration
Launch = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[Dovecot]:
    if reason := dovecot.missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    found = Dovecot()
    found.start()
    yield found
    found.remove()


def _mail(name: str, body: str = "It broke.") -> bytes:
    return (
        f"From: Ada <ada@customers.example>\r\nTo: help@shop.example\r\nSubject: Lamp {name}\r\n"
        f"Message-ID: <{name}@customers.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n"
        f"{body}\r\n"
    ).encode()


def _sources(folder: Path, port: int, *users: str, password: str = PASSWORD, **more: str) -> Path:
    path = folder / "sources.toml"
    given = {"host": "127.0.0.1", "tls": "no", "port": str(port), "timeout_s": "2"} | more
    tables = []
    for user in users:
        options = ", ".join(f'{k} = "{v}"' for k, v in (given | {"user": user}).items())
        tables.append(
            f'[sources.{user}]\nprovider = "imap"\nrate = 100000\nsecrets = ["{password}"]\n'
            f"options = {{ {options} }}\n"
        )
    new = folder / "sources.new"
    new.write_text("\n".join(tables))
    return new.rename(path)


def _received(service: Any) -> Counter[str]:
    """Return how often each mail is in the topic, by the name it was given."""
    return Counter(
        json.loads(message.value())["native_id"].partition("@")[0]
        for message in service.records(topics.FEEDBACK_RECEIVED)
    )


def _up(service: Any, user: str) -> bool:
    return bool(service.metric(f'tocsin_source_up{{source="{user}"}}') == 1.0)


def test_a_mailbox_is_caught_up_with_and_new_mail_noticed_at_once(
    launch: Launch, server: Dovecot, tmp_path: Path
) -> None:
    for number in range(120):
        server.deliver("ada", f"old-{number}", _mail(f"old-{number}"))
    path = _sources(tmp_path, server.port, "ada")
    service = launch(ingest__sources_file=path)
    service.wait_for(lambda: server.seen("ada") == 120, 30)
    assert _received(service) == Counter(f"old-{number}" for number in range(120))
    started = time.monotonic()
    server.deliver("ada", "new", _mail("new"))
    service.wait_for(lambda: server.seen("ada") == 121, 15)
    assert (
        time.monotonic() - started < 10
    )  # Dovecot looks once a second; a look of ours is at 120 s
    assert service.stop() == 0
    for number in range(60):
        server.deliver("ada", f"away-{number}", _mail(f"away-{number}"))
    service = launch(ingest__sources_file=path, topics_exist=False)
    service.wait_for(lambda: server.seen("ada") == 181, 40)
    assert service.metric('tocsin_events_deduplicated_total{channel="email",kind="exact"}') == 0
    assert set(_received(service).values()) == {1}
    assert len(_received(service)) == 181
    assert service.stop() == 0


def test_what_breaks_costs_nothing_else(launch: Launch, server: Dovecot, tmp_path: Path) -> None:
    server.deliver("ada", "1", _mail("first"))
    server.deliver("ada", "2", b"\r\n\r\n")
    server.deliver("ada", "3", b"Content-Type: multipart/mixed; boundary=\x00\xff\r\n\x80 x\r\n")
    server.deliver("ada", "4", _mail("large", "y" * 36_000_000))
    server.deliver("ada", "5", _mail("wide", "z" * 100_000))
    server.deliver("ada", "6", _mail("last"))
    service = launch(ingest__sources_file=_sources(tmp_path, server.port, "ada"))
    service.wait_for(lambda: server.seen("ada") == 6, 40)
    assert {"first", "wide", "last"} <= set(_received(service))
    letters = [json.loads(message.value()) for message in service.records(topics.DEAD_LETTERS)]
    large = next(letter for letter in letters if letter["reason"] == "too_large")
    assert "only the header was fetched" in large["detail"]
    assert len(letters) + len(_received(service)) == 6
    assert service.stop() == 0


def test_a_lost_connection_loses_and_doubles_nothing(
    launch: Launch, server: Dovecot, tmp_path: Path
) -> None:
    cable = Cable(server.port)
    service = launch(ingest__sources_file=_sources(tmp_path, cable.port, "ada", idle_s="1"))
    service.wait_for(lambda: _up(service, "ada"), 30)
    expected = 0

    def grows() -> None:
        nonlocal expected
        server.deliver("ada", f"m{expected}", _mail(f"m{expected}"))
        expected += 1
        service.wait_for(lambda: server.seen("ada") == expected, 40)

    grows()
    cable.cut()
    grows()
    assert server.kill_sessions() == 1
    grows()
    cable.dead.set()  # nothing goes through, and nobody says so
    server.deliver("ada", f"m{expected}", _mail(f"m{expected}"))
    expected += 1
    before = cable.connections
    service.wait_for(lambda: cable.connections > before, 20)
    cable.cut()
    cable.dead.clear()
    grows()
    server.stop()
    service.wait_for(lambda: not _up(service, "ada"), 20)
    server.deliver("ada", f"m{expected}", _mail(f"m{expected}"))
    expected += 1
    server.start()
    grows()
    assert _received(service) == Counter(f"m{number}" for number in range(expected))
    assert service.stop() == 0
    cable.close()


def test_nothing_is_marked_before_kafka_has_it(
    launch: Launch, server: Dovecot, tmp_path: Path, kafka: EmbeddedKafka
) -> None:
    service = launch(
        ingest__sources_file=_sources(tmp_path, server.port, "ada"), ingest__request_deadline_s=1.0
    )
    server.deliver("ada", "before", _mail("before"))
    service.wait_for(lambda: server.seen("ada") == 1, 30)
    kafka.pause()
    try:
        server.deliver("ada", "frozen", _mail("frozen"))
        fetched = server.home / "mail" / "ada" / "cur"
        service.wait_for(lambda: len(list(fetched.iterdir())) == 2, 15)
        time.sleep(2.5)  # the pause is the point: longer than the deadline
        assert server.seen("ada") == 1
    finally:
        kafka.resume()
    service.wait_for(lambda: server.seen("ada") == 2, 60)
    assert _received(service) == Counter(["before", "frozen"])
    assert service.stop() == 0


def test_a_wrong_password_stops_one_source_only(
    launch: Launch, server: Dovecot, tmp_path: Path
) -> None:
    patient = "10"  # Dovecot keeps who failed waiting for 2 s and more
    path = _sources(tmp_path, server.port, "ada", timeout_s=patient)
    good = path.read_text()
    bad = _sources(
        tmp_path, server.port, "eve", password="not-the-password", timeout_s=patient
    ).read_text()
    path.write_text(good + bad)
    service = launch(ingest__sources_file=path)
    service.wait_for(lambda: _up(service, "ada"), 30)
    refused = 'tocsin_source_errors_total{reason="refused",source="eve"}'
    service.wait_for(lambda: service.metric(refused) == 1.0, 30)
    assert not _up(service, "eve")
    server.deliver("ada", "1", _mail("1"))
    service.wait_for(lambda: server.seen("ada") == 1, 15)
    assert server.log().count("user=<eve>") <= 1  # it is not tried again and again
    fixed = tmp_path / "fixed"
    fixed.write_text(good + bad.replace("not-the-password", PASSWORD))
    fixed.rename(path)
    service.wait_for(lambda: _up(service, "eve"), 15)
    assert service.stop() == 0


def test_a_mailbox_that_is_numbered_anew_is_read_again_without_doubles(
    launch: Launch, server: Dovecot, tmp_path: Path
) -> None:
    path = _sources(tmp_path, server.port, "ada")
    for number in range(3):
        server.deliver("ada", str(number), _mail(str(number)))
    service = launch(ingest__sources_file=path)
    service.wait_for(lambda: server.seen("ada") == 3, 30)
    assert service.stop() == 0
    server.stop()
    server.renumber("ada")
    server.deliver("ada", "3", _mail("3"))
    server.start()
    service = launch(ingest__sources_file=path, topics_exist=False)
    service.wait_for(lambda: server.seen("ada") == 4, 30)
    assert _received(service) == Counter("0123")
    assert "numbered anew" in service.log.read_text()
    assert service.stop() == 0
