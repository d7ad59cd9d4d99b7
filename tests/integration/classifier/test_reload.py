"""Rules change under a worker that runs: no restart, no event lost or classified twice."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.stack import Stack
from shared import codec, topics
from shared.events import Channel, FeedbackReceived
from tests.chaos.history import Entry, read
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

PARTITIONS = 2
RATE_S = 0.005
"""Pause between two events: a steady stream, not a burst."""

RULE = """\
rules:
  - id: house.goblin
    reasons: [safety]
    severity: {severity}
    confidence: {confidence}
    floor: true
    patterns:
      en: ["a goblin came out"]
"""


class Feed:
    """Writes events until it is told to stop, and knows their ids."""

    def __init__(self, installation: Installation) -> None:
        self._topic = installation.names.of(topics.FEEDBACK_RECEIVED)
        self._producer = Producer(
            {"bootstrap.servers": installation.bootstrap, "enable.idempotence": True}
        )
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self.written: list[str] = []
        self._thread.start()

    def stop(self) -> list[str]:
        """End the stream; return the ids of all events, which are in the log now."""
        self._end.set()
        self._thread.join(30)
        assert self._producer.flush(30) == 0
        return self.written

    def _run(self) -> None:
        for number in itertools.count():
            event = _event(number)
            self._producer.produce(
                self._topic, codec.encode(event), b"k", partition=number % PARTITIONS
            )
            self._producer.poll(0)
            self.written.append(event.feedback_id)
            if self._end.wait(RATE_S):  # the pause is the point: a steady rate
                return


def _event(number: int) -> FeedbackReceived:
    return FeedbackReceived(
        feedback_id=f"f{number:06}",
        tenant="default",
        source="test",
        channel=Channel.EMAIL,
        native_id=str(number),
        record_key=f"default:c{number % 7}",
        customer_key=f"c{number % 7}",
        received_at=number,
        text="When I opened the box a goblin came out and I do not know what to do.",
        language="en",
    )


class World:
    """A worker, its rule file, and what came out."""

    def __init__(self, stack: Stack, installation: Installation, file: Path) -> None:
        self.stack, self._installation, self._file = stack, installation, file

    def write(self, content: str) -> None:
        """Replace the rule file as a careful editor does: whole."""
        part = self._file.with_suffix(".part")
        part.write_text(content, "utf-8")
        part.replace(self._file)

    def classified(self) -> list[Entry]:
        """Return what the worker committed, in log order within each partition."""
        name = topics.FEEDBACK_CLASSIFIED.name
        return read(self._installation.bootstrap, self._installation.prefix, [name]).of(name)

    def metrics(self, name: str) -> dict[str, float]:
        """Return the series of one metric by their labels."""
        (member,) = self.stack.of("classifier")
        with urllib.request.urlopen(f"{member.metrics_url}/metrics", timeout=10) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith(f"{name}{{"))
        return {labels.removeprefix(name): float(value) for labels, _, value in found}

    def reloads(self, result: str) -> float:
        return self.metrics("tocsin_classifier_reloads_total").get(f'{{result="{result}"}}', 0.0)

    def wait_for(self, used: int, refused: int) -> None:
        """Wait until so many changes were used and refused."""
        wait_for(
            lambda: (self.reloads("used"), self.reloads("refused")) == (used, refused),
            f"{used} reloads and {refused} refused",
            60.0,
        )

    def wait_for_more(self) -> None:
        """Wait until events that were written after now are classified."""
        (member,) = self.stack.of("classifier")
        assert member.process is not None
        assert member.process.alive, member.process.log_tail()
        name = "tocsin_classified_total"
        before = sum(self.metrics(name).values())
        wait_for(lambda: sum(self.metrics(name).values()) > before + 40, "more events", 60.0)


@pytest.fixture
def world(installation: Installation, tmp_path: Path) -> Iterator[World]:
    """One classifier, without a model: its rules alone tell by the severity which ones they are."""
    folder = tmp_path / "rules"
    folder.mkdir()
    file = folder / "house.yaml"
    file.write_text(RULE.format(severity="high", confidence=0.9), "utf-8")
    loaded = installation.loaded(
        kafka__partitions=PARTITIONS,
        classifier__rules_dir=str(folder),
        classifier__model_file="none",
    )
    stack = Stack(tmp_path / "stack", loaded, workers={"classifier": 1})
    try:
        stack.start()
        yield World(stack, installation, file)
    finally:
        stack.stop()


def test_rules_change_under_a_running_worker(world: World, installation: Installation) -> None:
    feed = Feed(installation)
    try:
        world.wait_for_more()
        world.write(RULE.format(severity="critical", confidence=0.9))
        world.wait_for(used=1, refused=0)
        world.wait_for_more()
        world.write(RULE.format(severity="huge", confidence=0.9))
        world.wait_for(used=1, refused=1)
        world.wait_for_more()
        world.write(RULE.format(severity="high", confidence=0.8))
        world.wait_for(used=2, refused=1)
        world.wait_for_more()
    finally:
        written = feed.stop()

    found = wait_for(
        lambda: entries if len(entries := world.classified()) >= len(written) else None,
        "all events",
        60.0,
    )
    ids = Counter(entry.value["feedback"]["feedback_id"] for entry in found)
    assert ids == Counter(written), "each event once"
    (member,) = world.stack.of("classifier")
    assert member.starts == 1
    assert member.process is not None
    assert "house.yaml:4: Invalid enum value 'huge'" in member.log.read_text("utf-8")

    versions: set[str] = set()
    for number in range(PARTITIONS):
        said = [
            (
                entry.value["classification"]["rules_version"],
                entry.value["classification"]["severity"],
            )
            for entry in found
            if entry.partition == number
        ]
        runs = [version for version, _ in itertools.groupby(said)]
        assert [severity for _, severity in runs] == ["high", "critical", "high"]
        assert len({version for version, _ in runs}) == 3, "a version changes with each valid file"
        versions |= {version for version, _ in runs}
    assert len(versions) == 3
    (info,) = world.metrics("tocsin_model_info")
    assert f'rules="{said[-1][0]}"' in info
