"""A policy changes under a worker that runs: no restart, and each decision by one that Kafka has.

And what ``tocsin policy`` tells of such an installation.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from deploy.stack import Stack
from services.commands.cases_send import Desk, NoSuchCase
from services.commands.policy import command
from services.escalation.policies.simulation import Sample
from services.escalation.policies.store import PolicyStore
from shared import codec, topics
from shared.config import as_environ
from shared.events import Severity
from shared.ids import partition_of
from tests.chaos.history import read
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

PARTITIONS = 2
POLICY = """\
version: {name}
contacts: {{{person}: [pager]}}
severities: {{critical: {{ladder: [{{to: {person}, wait: 1h}}]}}}}
"""


class World:
    """A worker, its policy file, and what it decided."""

    def __init__(self, stack: Stack, installation: Installation, file: Path) -> None:
        self.stack, self._installation, self.file = stack, installation, file
        self._producer = Producer(installation.loaded().config.kafka.client())
        self._count = 0

    def write(self, content: str) -> None:
        """Replace the policy file whole."""
        part = self.file.with_suffix(".part")
        part.write_text(content, "utf-8")
        part.replace(self.file)

    def wait_for(self, used: int, refused: int) -> None:
        """Wait until so many changes were used and refused."""
        wait_for(
            lambda: (self._reloads("used"), self._reloads("refused")) == (used, refused),
            f"{used} reloads and {refused} refused",
            60.0,
        )

    def page(self) -> tuple[list[str], str]:
        """Send a critical feedback of a new customer; return who is paged by which policy."""
        event = self.paged()
        return event["targets"], event["policy"]

    def paged(self) -> dict[str, Any]:
        """Send a critical feedback of a new customer; return the event by which people are paged."""
        self._count += 1
        at = time.time_ns() // 1_000_000
        item = Sample(severity=Severity.CRITICAL).feedback(self._count, at)
        key = item.feedback.record_key
        name = self._installation.names.of(topics.FEEDBACK_CLASSIFIED)
        value = codec.encode(item)
        self._producer.produce(name, value, key.encode(), partition_of(key, PARTITIONS))
        assert self._producer.flush(30) == 0
        return wait_for(lambda: self._triggered(item.feedback.feedback_id), "a page", 60.0)

    def tocsin(self, *arguments: str) -> Any:
        """Run ``tocsin policy`` for this installation; return its answer."""
        settings = self._installation.settings(kafka__partitions=PARTITIONS)
        done = CliRunner(env=as_environ(settings)).invoke(
            command, [*arguments, "--json"], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def is_in_view(self, case_id: str) -> bool:
        """Tell whether the case view has a case."""
        settings = self._installation.loaded(kafka__partitions=PARTITIONS).config
        try:
            return Desk(settings).case(case_id).case_id == case_id
        except NoSuchCase:
            return False

    def _triggered(self, feedback_id: str) -> dict[str, Any] | None:
        name = topics.CASE_EVENTS.name
        entries = read(self._installation.bootstrap, self._installation.prefix, [name]).of(name)
        for entry in entries:
            value: dict[str, Any] = entry.value
            if (value["kind"], value.get("feedback_id")) == ("escalation.triggered", feedback_id):
                return value
        return None

    def _reloads(self, result: str) -> float:
        (member,) = self.stack.of("escalation")
        with urllib.request.urlopen(f"{member.metrics_url}/metrics", timeout=10) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        wanted = f'tocsin_policy_reloads_total{{result="{result}"}} '
        return next((float(one.removeprefix(wanted)) for one in lines if one.startswith(wanted)), 0)


@pytest.fixture
def world(installation: Installation, tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "house.yaml"
    file.write_text(POLICY.format(name="one", person="anna"), "utf-8")
    loaded = installation.loaded(kafka__partitions=PARTITIONS, escalation__policy_file=str(file))
    stack = Stack(tmp_path / "stack", loaded, workers={"escalation": 1})
    try:
        stack.start()
        yield World(stack, installation, file)
    finally:
        stack.stop()


def test_a_policy_changes_under_a_running_worker(world: World, installation: Installation) -> None:
    first = world.page()
    world.write(POLICY.format(name="two", person="bela"))
    world.wait_for(used=1, refused=0)
    second = world.page()
    world.write(POLICY.format(name="three", person="chris") + "max_epochs: 0\n")
    world.wait_for(used=1, refused=1)
    third = world.page()
    world.write(POLICY.format(name="four", person="chris"))
    world.wait_for(used=2, refused=1)
    fourth = world.page()

    paged = [first[0], second[0], third[0], fourth[0]]
    assert paged == [["anna"], ["bela"], ["bela"], ["chris"]]
    by = [version.partition("-")[0] for _, version in (first, second, third, fourth)]
    assert by == ["one", "two", "two", "four"]
    store = PolicyStore(installation.loaded().config.kafka.client(), installation.names)
    assert list(store.load()) == [first[1], second[1], fourth[1]]
    (member,) = world.stack.of("escalation")
    assert member.starts == 1
    assert "house.yaml:4:13: max_epochs: 0 is not between 1 and 1000" in member.log.read_text(
        "utf-8"
    )


def test_what_is_in_force_and_what_was_recorded(world: World, tmp_path: Path) -> None:
    event = world.paged()
    world.paged()
    assert world.tocsin("show", "--current")["version"] == event["policy"]

    calm = tmp_path / "calm.yaml"
    calm.write_text("version: calm\nseverities: {critical: {ladder: none}}\n", "utf-8")
    file = str(world.file)
    found = world.tocsin("simulate", file, "--since", "1h", "--against", str(calm))
    assert [version.partition("-")[0] for version in found["versions"]] == ["one", "calm"]
    rows = {(row["what"], row["of"]): (row["count"], row["against"]) for row in found["rows"]}
    assert rows["feedback", ""] == rows["cases opened", "critical"] == (2, 2)
    assert rows["escalations", "critical"] == (2, 0)
    assert rows["pages", "anna"] == (2, 0)

    case_id = event["case_id"]
    wait_for(lambda: world.is_in_view(case_id), "the case in the view")
    told = world.tocsin("simulate", file, "--case", case_id, "--for", "10m")
    pages = [one for one in told["events"] if one["event"] == "escalation.triggered"]
    assert [one["targets"] for one in pages] == [["anna"]]
    assert {one["severity"] for one in told["events"]} == {"critical"}
