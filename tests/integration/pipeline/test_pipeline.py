"""The whole product as processes: the sample through the HTTP door, a command, and every rule holds."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy.stack import Stack
from shared import codec, ids
from shared.clock import SystemClock
from shared.events import CaseCommand, CommandKind
from tests.chaos import checker, conduct
from tests.chaos.checker import Promise
from tests.chaos.client import SAMPLE, Desk
from tests.chaos.history import History, read
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

PARTITIONS = 4


@pytest.fixture
def stack(installation: Installation, tmp_path: Path) -> Iterator[Stack]:
    """One process per service on the servers of the run."""
    loaded = installation.loaded(kafka__partitions=PARTITIONS)
    made = Stack(tmp_path / "stack", loaded)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def post(url: str, body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310
        url + "/v1/feedback:batch", body, {"Content-Type": "application/x-ndjson"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def history_of(installation: Installation) -> History:
    return read(installation.bootstrap, installation.prefix, checker.TOPICS)


def settled(installation: Installation, accepted: set[str]) -> History | None:
    history = history_of(installation)
    seen = {entry.value["feedback_id"] for entry in history.of("feedback.outcomes")}
    return history if accepted <= seen else None


def test_every_item_of_the_sample_has_one_outcome(stack: Stack, installation: Installation) -> None:
    status, answer = post(stack.intake_url, SAMPLE.read_bytes())
    assert status == 202
    results = answer["results"]
    accepted = {r["feedback_id"] for r in results if r["status"] in {"accepted", "duplicate"}}
    rejected = [r for r in results if r["status"] == "rejected"]
    assert rejected, "the sample has broken lines on purpose"

    history = wait_for(lambda: settled(installation, accepted), "all outcomes", 60.0)
    report = checker.check([Promise(one, "sample", 0) for one in accepted], history, ordered=False)
    assert not report.findings, str(report)
    letters = [e for e in history.of("dead-letters") if e.value["stage"] == "ingest"]
    assert len(letters) == len({r["dead_letter"] for r in rejected})


def test_a_command_acknowledges_its_case_once(stack: Stack, installation: Installation) -> None:
    item = {
        "id": "1",
        "channel": "email",
        "author": "anna@example.org",
        "text": "Your heater caught fire and my child is in hospital. I will call my lawyer.",
    }
    _, answer = post(stack.intake_url, json.dumps(item).encode())
    accepted = {answer["results"][0]["feedback_id"]}
    history = wait_for(lambda: settled(installation, accepted), "the outcome", 60.0)
    case_id = history.of("case.events")[0].value["case_id"]

    command = CaseCommand(
        command_id="acknowledge-1",
        tenant="default",
        case_id=case_id,
        kind=CommandKind.ACKNOWLEDGE,
        actor="on-call",
        at=int(time.time() * 1000),
    )
    key = ids.record_key_of_case(case_id)
    owner = ids.partition_of(key, PARTITIONS)
    producer = Producer({"bootstrap.servers": installation.bootstrap})
    # Twice, and once into a partition that is not its own: it counts once.
    for number in (owner, owner, (owner + 1) % PARTITIONS):
        producer.produce(
            installation.prefix + "case.commands", codec.encode(command), key, partition=number
        )
    assert producer.flush(30) == 0

    def forwarded() -> History | None:
        found = read(
            installation.bootstrap, installation.prefix, [*checker.TOPICS, "case.commands"]
        )
        enough = len(found.of("case.commands")) == 4 and len(_kinds(found)) > 2
        return found if enough and _kinds(found)["case.acknowledged"] else None

    history = wait_for(forwarded, "the acknowledgement", 60.0)
    assert _kinds(history)["case.acknowledged"] == 1
    assert not list(checker.case_events(history))
    assert not list(checker.case_states(history))


def test_a_complaint_and_a_thank_you_go_all_the_way(
    stack: Stack, installation: Installation
) -> None:
    """Praise is thanked for and closed; a complaint is resolved, told, followed up, and closed."""
    complaint = {
        "id": "1",
        "channel": "email",
        "author": "anna@example.org",
        "text": "Your heater caught fire and my child is in hospital. I will call my lawyer.",
    }
    praise = complaint | {"id": "2", "author": "bo@example.org", "text": "Thank you, I love it!"}
    _, answer = post(
        stack.intake_url, b"\n".join(json.dumps(i).encode() for i in (complaint, praise))
    )
    burnt, thankful = (result["feedback_id"] for result in answer["results"])
    wait_for(lambda: settled(installation, {burnt, thankful}), "the outcomes", 60.0)
    cases = {
        entry.value["feedback_id"]: entry.value["case"]
        for entry in history_of(installation).of("case.events")
        if entry.value["kind"] == "case.opened"
    }
    desk = Desk(installation.loaded(kafka__partitions=PARTITIONS).config, SystemClock())
    for kind in (CommandKind.RESOLVE, CommandKind.COMMUNICATE):
        desk.ask(cases[burnt], kind)
    for number in (1, 2, 3):
        desk.ask(cases[burnt], CommandKind.FOLLOW_UP_DONE, follow_up=number)
    desk.ask(cases[thankful], CommandKind.REPLY)
    desk.flush()

    def closed() -> History | None:
        found = history_of(installation)
        return found if _kinds(found)["case.closed"] == 2 else None

    wait_for(closed, "both cases are closed", 60.0)
    history = history_of(installation)  # again, see above
    promises = [Promise(burnt, "anna", 1), Promise(thankful, "bo", 1)]
    findings = checker.check(promises, history).findings + list(conduct.answers(desk.sent, history))
    assert not findings
    assert not _kinds(history)["command.refused"]


def test_a_command_with_a_huge_note_is_a_dead_letter_and_others_pass(
    stack: Stack, installation: Installation
) -> None:
    item = {"id": "1", "channel": "email", "author": "bo@example.org", "text": "It is broken."}
    huge = CaseCommand(
        command_id="huge",
        tenant="default",
        case_id="default:nobody:0123456789ab",
        kind=CommandKind.RESOLVE,
        actor="x",
        at=1,
        note="n" * 899_000,
    )
    producer = Producer({"bootstrap.servers": installation.bootstrap})
    for number in range(PARTITIONS):
        producer.produce(
            installation.prefix + "case.commands", codec.encode(huge), b"k", partition=number
        )
    assert producer.flush(30) == 0
    _, answer = post(stack.intake_url, json.dumps(item).encode())
    accepted = {answer["results"][0]["feedback_id"]}
    history = wait_for(lambda: settled(installation, accepted), "the outcome", 60.0)
    wait_for(lambda: len(history_of(installation).of("dead-letters")) == PARTITIONS, "dead letters")
    assert not list(checker.settled([Promise(one, "bo", 1) for one in accepted], history))


def _kinds(history: History) -> Counter[str]:
    return Counter(entry.value["kind"] for entry in history.of("case.events"))
