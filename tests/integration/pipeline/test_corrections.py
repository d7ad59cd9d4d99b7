"""From a person's word to the next model and back, on a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from services.classifier.corrections import stored
from services.classifier.training import dataset
from services.classifier.training.dataset import Example
from shared import codec, ids, topics
from shared.config import as_environ
from shared.errors import Misconfigured
from shared.events import (
    Channel,
    Classification,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Severity,
    SeverityCorrected,
)
from tests.chaos.history import read
from tests.services import Installation
from tests.unit.classifier import tiny

pytestmark = pytest.mark.integration

PARTITIONS = 3
TEXT = "The freezer of mine is noisy."
BATCH = 40


@pytest.fixture
def ready(installation: Installation) -> Installation:
    """An installation with its topics, and some classified feedback."""
    installation.create_topics(PARTITIONS)
    producer = Producer({
        "bootstrap.servers": installation.bootstrap,
        "transactional.id": installation.name,
    })  # fmt: skip
    producer.init_transactions(30)
    producer.begin_transaction()
    produce(installation, producer, classified("never", "Rolled back."))
    producer.abort_transaction(30)
    producer.begin_transaction()
    for number in range(BATCH):
        produce(installation, producer, classified(f"f{number}", f"{TEXT} {number}"))
    produce(installation, producer, classified("noisy", TEXT))
    producer.commit_transaction(30)
    return installation


def classified(feedback_id: str, text: str) -> FeedbackClassified:
    feedback = FeedbackReceived(
        feedback_id=feedback_id,
        tenant="acme",
        source="shop",
        channel=Channel.REVIEWS,
        native_id=feedback_id,
        record_key=ids.record_key("acme", feedback_id),
        customer_key=feedback_id,
        received_at=1,
        text=text,
        language="en",
    )
    found = Classification(
        severity=Severity.MEDIUM,
        kind=Kind.SUGGESTION,
        confidence=0.5,
        language="en",
        model_version="m1",
        rules_version="r1",
    )
    return FeedbackClassified(feedback=feedback, classification=found, classified_at=2)


def produce(installation: Installation, producer: Producer, event: FeedbackClassified) -> None:
    key = event.feedback.record_key
    producer.produce(
        installation.names.of(topics.FEEDBACK_CLASSIFIED),
        codec.encode(event),
        key,
        partition=ids.partition_of(key, PARTITIONS),
    )


def call(installation: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    settings = installation.settings(kafka__partitions=PARTITIONS)
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "corrections", *words],
        env=os.environ | as_environ(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def add(installation: Installation, feedback_id: str, severity: str, *more: str) -> Any:
    given = ("add", feedback_id, "--severity", severity, "--by", "ada", "--json", *more)
    [row] = rows(call(installation, *given))
    return row


def test_what_is_corrected_is_kept_in_the_partition_of_its_customer(ready: Installation) -> None:
    said = add(ready, "noisy", "high", "--kind", "complaint", "--reason", "safety", "--note", "!")
    history = read(ready.bootstrap, ready.prefix, ["feedback.corrections"])
    [entry] = history.of("feedback.corrections")
    assert entry.value == said
    event = msgspec.convert(said, SeverityCorrected, strict=False)
    assert (event.text, event.was, event.model_version) == (TEXT, Severity.MEDIUM, "m1")
    assert entry.partition == ids.partition_of("acme:noisy", PARTITIONS)


def test_a_feedback_that_is_not_there_is_not_corrected(ready: Installation) -> None:
    for missing in ("nothing", "never", "f"):
        done = call(ready, "add", missing, "--severity", "low")
        assert done.returncode == 1
        assert missing in done.stderr
    assert rows(call(ready, "list", "--json")) == []


def test_a_command_that_is_sent_again_is_one_correction(ready: Installation) -> None:
    first = add(ready, "noisy", "low", "--id", "command-1")
    later = add(ready, "noisy", "high")
    assert add(ready, "noisy", "low", "--id", "command-1") == first
    assert rows(call(ready, "list", "--json")) == [first, later]
    done = call(ready, "add", "noisy", "--severity", "critical", "--id", "command-1")
    assert done.returncode == 2
    assert first["correction_id"] in done.stderr


def test_what_was_erased_is_gone_and_what_is_no_correction_is_named(ready: Installation) -> None:
    erased, kept = add(ready, "f1", "low"), add(ready, "f2", "low")
    producer = Producer({"bootstrap.servers": ready.bootstrap})
    topic = ready.names.of(topics.FEEDBACK_CORRECTIONS)
    owner = ids.partition_of("acme:f1", PARTITIONS)
    producer.produce(topic, None, erased["correction_id"], partition=owner)
    producer.produce(topic, b"{}", b"garbage", partition=owner)
    assert producer.flush(30) == 0
    told: list[str] = []
    found = stored(ready.loaded(kafka__partitions=PARTITIONS).config.kafka, told.append)
    assert [one.correction_id for one in found] == [kept["correction_id"]]
    assert len(told) == 1
    done = call(ready, "list", "--json")
    assert rows(done) == [kept]
    assert told[0] in done.stderr


def test_the_last_correction_of_a_feedback_is_exported(ready: Installation, tmp_path: Path) -> None:
    add(ready, "noisy", "low")
    other = add(ready, "f7", "low")
    last = add(ready, "noisy", "critical")
    out = tmp_path / "corrections.jsonl"
    for _ in range(2):
        assert rows(call(ready, "export", "--out", str(out), "--json"))[0]["corrections"] == 2
        found = [msgspec.json.decode(line, type=Example) for line in out.read_bytes().splitlines()]
        assert [one.correction for one in found] == [
            other["correction_id"],
            last["correction_id"],
        ]
        assert found[1].severity is Severity.CRITICAL
    late = call(ready, "export", "--out", str(out), "--since", "2200-01-01")
    assert late.returncode == 0, late.stderr
    assert out.read_bytes() == b""


def test_without_the_topic_it_says_what_to_do(installation: Installation) -> None:
    done = call(installation, "list")
    assert done.returncode == 2
    assert "tocsin topics apply" in done.stderr
    with pytest.raises(Misconfigured):
        stored(installation.loaded().config.kafka, print)


@pytest.mark.skipif(find_spec("sklearn") is None, reason="needs the extra tocsin[training]")
def test_a_correction_is_traced_to_the_model_that_learnt_it(
    ready: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = add(ready, "noisy", "critical")
    out = tmp_path / "corrections.jsonl"
    rows(call(ready, "export", "--out", str(out), "--json"))
    folder = tiny.inputs(tmp_path, monkeypatch, tiny.examples())
    before, after = tmp_path / "before.npz", tmp_path / "after.npz"
    before.write_bytes(tiny.learnt(dataset.training(folder)))
    after.write_bytes(tiny.learnt(dataset.training(folder, [out])))
    feedback = classified("noisy", TEXT).feedback
    found = [tiny.classifier(model.read_bytes()).classify(feedback) for model in (before, after)]
    assert [one.severity for one in found] == [Severity.MEDIUM, Severity.CRITICAL]

    trace = ("trace", said["correction_id"], "--json", "--model")
    [learnt] = rows(call(ready, *trace, str(after)))
    assert learnt["learnt"] is True
    assert learnt["model_version"] == found[1].model_version
    done = call(ready, *trace, str(before))
    assert done.returncode == 1
    assert json.loads(done.stdout)["learnt"] is False
    assert call(ready, *trace, "none").returncode == 2
