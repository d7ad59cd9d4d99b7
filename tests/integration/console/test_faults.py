"""What a caller is told while the broker, Redis or the worker is away, and that nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from deploy.stack import Member
from shared.config import as_environ
from shared.errors import Exit
from tests.integration.console.rig import PARTITIONS, House, Reply
from tests.services import Installation, kafka, redis, started, wait_for

pytestmark = pytest.mark.integration

DEADLINE_S = 2.0


class Servers:
    """A broker and a Redis of this file's own, to be taken away."""

    def __init__(self, folder: Path) -> None:
        self.kafka: EmbeddedKafka = started(kafka(folder / "kafka"))
        self.redis: EmbeddedRedis = started(redis(folder / "redis"))

    def stop(self) -> None:
        self.redis.stop()
        self.kafka.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    made = Servers(tmp_path_factory.mktemp("servers"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def shaken(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    installation = Installation(servers.kafka.bootstrap, servers.redis.url)
    folder = tmp_path_factory.mktemp("shaken")
    made = House(installation, folder, console__deadline_s=DEADLINE_S)
    try:
        yield made.start()
    finally:
        made.close()


def stop(member: Member) -> None:
    """End a process for good: the stack does not start it again."""
    member.given_up = True
    assert member.process is not None
    member.process.terminate(30.0)


def resume(house: House, member: Member) -> None:
    member.given_up = False
    member.next_start = 0.0
    house.stack.launch(member)
    house.stack.wait_ready()


def test_without_a_worker_the_command_waits_and_is_done_later(shaken: House) -> None:
    case = shaken.open_case()
    [worker] = shaken.stack.of("escalation")
    stop(worker)
    sent = shaken.post(f"/cases/{case.case_id}/acknowledge")
    assert (sent.status, sent.body["status"]) == (202, "pending")
    where = sent.headers["Location"].removeprefix("/api/v1")
    assert shaken.get(where).body["status"] == "pending"
    again = shaken.post(
        f"/cases/{case.case_id}/acknowledge", Idempotency_Key=sent.headers["Idempotency-Key"]
    )
    assert again.status == 202
    resume(shaken, worker)
    wait_for(lambda: shaken.get(where).body["status"] == "done", "the command done")
    after = shaken.get(f"/cases/{case.case_id}").body
    assert after["state"] == "acknowledged"
    assert after["commands"] == [sent.body["command_id"]]


def test_without_redis_it_says_so_and_comes_back(shaken: House, servers: Servers) -> None:
    case = shaken.open_case()
    [console] = shaken.stack.of("console")
    servers.redis.kill()
    for away in (
        shaken.get("/cases"),
        shaken.get(f"/cases/{case.case_id}"),
        shaken.post(f"/cases/{case.case_id}/acknowledge"),
    ):
        assert (away.status, away.body["code"]) == (503, "unavailable")
        assert away.headers["Retry-After"]
    servers.redis.start()
    wait_for(lambda: shaken.case(case.case_id), "the case again", 60.0)
    assert shaken.post(f"/cases/{case.case_id}/acknowledge").status == 200
    assert console.starts == 1


def test_without_kafka_the_same_key_counts_once_afterwards(shaken: House, servers: Servers) -> None:
    case = shaken.open_case()
    servers.kafka.kill()
    away = shaken.post(f"/cases/{case.case_id}/note", {"note": "Called."}, Idempotency_Key="k1")
    assert (away.status, away.body["code"]) == (503, "unavailable")
    assert (away.headers["Retry-After"], away.headers["Idempotency-Key"]) == ("2", "k1")
    assert shaken.get(f"/cases/{case.case_id}").status == 200
    servers.kafka.start()

    def again() -> Reply | None:
        done = shaken.post(f"/cases/{case.case_id}/note", {"note": "Called."}, Idempotency_Key="k1")
        return done if done.status == 200 else None

    done = wait_for(again, "the note taken", 120.0, 0.5)
    assert done.body["commands"] == [away.body["command_id"]]
    [console] = shaken.stack.of("console")
    assert console.starts == 1


def test_it_ends_when_it_is_told_to(shaken: House) -> None:
    [console] = shaken.stack.of("console")
    console.given_up = True
    assert console.process is not None
    console.process.terminate(30.0)
    assert console.process.returncode == Exit.OK
    log = console.log.read_text("utf-8")
    assert "draining" in log
    assert "stopped" in log
    resume(shaken, console)
    assert shaken.get("/cases").status == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"console.tokens": "jane"}, "console.tokens: entry 1 is not 'name:role:token'"),
        ({"kafka.partitions": PARTITIONS + 1}, "kafka.partitions is 3, but"),
        ({"console.port": "x"}, "console.port"),
    ],
)
def test_what_cannot_work_ends_the_process_with_the_reason(
    shaken: House, settings: dict[str, str | int], says: str
) -> None:
    found = shaken.installation.settings(kafka__partitions=PARTITIONS, console__port=0) | settings
    done = subprocess.run(
        [sys.executable, "-m", "services.console"],
        env=os.environ | as_environ(found),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Exit.CONFIG
    assert says in done.stderr
