"""Every program of ``deploy/examples`` does what it says, on a real broker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from shared import codec
from shared.events import Case, CaseEvent, CaseEventKind, Escalation, Severity
from shared.events import CaseState as State
from shared.topics import CASE_EVENTS, ESCALATIONS
from tests.contract.client_beds import KafkaBed, customers, escalation
from tests.integration.client.receiver import Receiver, receiving
from tests.services import Installation, missing, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.source_tree]
ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "deploy" / "examples"
RUN_S = 60.0
NODE = (20, 19, 4)


@pytest.fixture
def bed(installation: Installation) -> KafkaBed:
    return KafkaBed(installation, (ESCALATIONS, CASE_EVENTS))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def event(
    customer: str, seq: int, kind: CaseEventKind, epoch: int, state: State = State.OPEN
) -> CaseEvent:
    """Return an event with its case as it is then."""
    made = escalation(customer, seq, kind, epoch=epoch, targets=("support",))
    assert isinstance(made.case, Case)
    fields = {name: getattr(made.case, name) for name in Case.__struct_fields__}
    reached = {"state": state, "escalation": Escalation(epoch=epoch), "severity": Severity.CRITICAL}
    whole = {name: getattr(made, name) for name in CaseEvent.__struct_fields__}
    return CaseEvent(**whole | {"case": Case(**fields | reached)})


def story(customer: str) -> list[CaseEvent]:
    """Return the life of a case, with a delivery that comes twice and one that comes late."""
    kinds = CaseEventKind
    return [
        event(customer, 1, kinds.OPENED, 1),
        event(customer, 2, kinds.ESCALATION_TRIGGERED, 1),
        event(customer, 4, kinds.REESCALATED, 2),
        event(customer, 3, kinds.ESCALATION_TRIGGERED, 1),
        event(customer, 5, kinds.ACKNOWLEDGED, 2, State.ACKNOWLEDGED),
        event(customer, 5, kinds.ACKNOWLEDGED, 2, State.ACKNOWLEDGED),
        event(customer, 6, kinds.RESOLVED, 2, State.RESOLVED),
    ]


def run(bed: KafkaBed, name: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a Python example until nothing is left."""
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    where = ["--bootstrap", bed.installation.bootstrap, "--prefix", bed.installation.prefix]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *where, "--idle-s", "1", *words],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_ticket_creator_has_one_ticket_per_case_as_the_last_event_says(
    bed: KafkaBed, tmp_path: Path
) -> None:
    first, second = customers(2)
    for one in [*story(first), *story(second)[:3]]:
        bed.publish(one)
    group = ("--group", bed.group, "--database", str(tmp_path / "tickets.db"))
    run(bed, "ticket_creator.py", *group)
    with closing(sqlite3.connect(tmp_path / "tickets.db")) as database:
        rows = database.execute("SELECT external_ref, case_seq, state, severity FROM tickets")
        found = {row[0].split(":")[1]: row[1:] for row in rows}
    assert found == {first: (6, "resolved", "critical"), second: (4, "open", "critical")}


def test_the_crm_updater_obeys_what_the_crm_answers(bed: KafkaBed, receiver: Receiver) -> None:
    (name,) = customers(1)
    life = story(name)
    for one in life:
        bed.publish(one)
    receiver.answers += [(200, {}), (429, {"Retry-After": "1"}), (503, {}), (200, {}), (404, {})]
    run(bed, "crm_updater.py", "--group", bed.group, "--url", receiver.url)
    assert [body["seq"] for _, _, body in receiver.got] == [
        1,
        2,
        2,
        2,
        4,
        3,
        5,
        6,
    ]  # 4 was parked, so 3 is news
    assert receiver.keys[1] == receiver.keys[2] == receiver.keys[3] == life[1].event_id
    method, path, body = receiver.got[-1]
    assert (method, body["state"]) == ("PUT", "resolved")
    assert path.startswith(f"/customers/{name}/cases/")
    (parked,) = bed.parked()
    assert parked.header("parked_detail") == "the CRM answers 404"
    assert parked.header("ce_id") == life[2].event_id


def test_the_pager_bridge_shows_what_is_to_be_done_now(bed: KafkaBed, receiver: Receiver) -> None:
    (name,) = customers(1)
    for one in story(name):
        bed.publish(one)
    receiver.answers += [(500, {})]
    run(bed, "pager_bridge.py", "--group", bed.group, "--url", f"{receiver.url}/v2/enqueue")
    sent = [
        (body["event_action"], body["dedup_key"].split(":", 1)[1]) for _, _, body in receiver.got
    ]
    case = story(name)[0].case_id.split(":", 1)[1]
    assert sent == [
        ("trigger", f"{case}:1"),  # answered 500: sent again
        ("trigger", f"{case}:1"),
        ("resolve", f"{case}:1"),
        ("trigger", f"{case}:2"),
        ("acknowledge", f"{case}:2"),
        ("resolve", f"{case}:2"),
    ]
    assert all(body["dedup_key"].startswith("acme:") for _, _, body in receiver.got)
    assert receiver.got[0][2]["payload"]["severity"] == "critical"


def aborted(bed: KafkaBed, customer: str) -> None:
    """Write an event that its transaction takes back."""
    wanted = {
        "bootstrap.servers": bed.installation.bootstrap,
        "transactional.id": f"{bed.group}-aborted",
        "compression.type": "lz4",
    }
    producer = Producer(wanted)
    producer.init_transactions(30)
    producer.begin_transaction()
    value = codec.encode(event(customer, 99, CaseEventKind.RESOLVED, 9))
    producer.produce(bed.installation.names.of(ESCALATIONS), value, b"k", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)


def test_kcat_prints_what_is_new_of_each_case(bed: KafkaBed, tmp_path: Path) -> None:
    for tool in ("kcat", "jq"):
        if shutil.which(tool) is None:
            missing(f"{tool} is not installed")
    (name,) = customers(1, partition=0)
    for one in story(name):
        bed.publish(one)
    aborted(bed, name)
    bed.publish(event(name, 7, CaseEventKind.CLOSED, 2, State.CLOSED))
    topic = bed.installation.names.of(ESCALATIONS)
    out = tmp_path / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [str(EXAMPLES / "kcat.sh"), bed.installation.bootstrap, topic, f"{bed.group}-kcat"],
            stdout=file,
            start_new_session=True,
        )
    try:
        wait_for(lambda: "case.closed" in out.read_text() or process.poll() is not None, "the end")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert [line[1:] for line in lines] == [
        ["1", "case.opened", "critical"],
        ["2", "escalation.triggered", "critical"],
        ["4", "escalation.reescalated", "critical"],
        ["5", "case.acknowledged", "critical"],
        ["6", "case.resolved", "critical"],
        ["7", "case.closed", "critical"],
    ]


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Node example with what it depends on, as its lock says."""
    if shutil.which("npm") is None:
        missing("node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if tuple(map(int, version.stdout.strip().removeprefix("v").split("."))) < NODE:
        missing(f"node {version.stdout.strip()} is too old: 20.19.4 is needed")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "consumer.mjs", ".npmrc"):
        shutil.copy(EXAMPLES / "node" / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        missing(f"npm cannot install what the example depends on: {done.stderr[-500:]}")
    return folder


def node(bed: KafkaBed, folder: Path) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Run the Node example until nothing is left; return what it handled and what it skipped."""
    where = ["--bootstrap", bed.installation.bootstrap, "--prefix", bed.installation.prefix]
    schemas = ["--schemas", str(ROOT / "shared" / "schemas"), "--group", f"{bed.group}-node"]
    done = subprocess.run(
        ["node", "consumer.mjs", *where, *schemas, "--idle-s", "4"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    handled = [json.loads(line) for line in done.stdout.splitlines()]
    return handled, [json.loads(line) for line in done.stderr.splitlines() if line[0] == "{"]


def test_a_node_consumer_needs_the_contract_only(bed: KafkaBed, node_folder: Path) -> None:
    (name,) = customers(1, partition=0)
    for one in story(name):
        bed.publish(one)
    aborted(bed, name)
    bed.publish_raw(b"{", name)
    bed.publish_raw(b'{"type":"case.event.v2"}', name)
    bed.publish_raw(b'{"type":"case.event.v1","case_seq":"many"}', name)
    last = event(name, 7, CaseEventKind.CLOSED, 2, State.CLOSED)
    bed.publish(last)
    handled, skipped = node(bed, node_folder)
    assert [one["case_seq"] for one in handled] == [1, 2, 4, 5, 6, 7]
    assert handled[-1]["id"] == last.event_id
    assert handled[-1]["kind"] == "case.closed"
    assert [one["skipped"] for one in skipped] == ["old", "old", "poison", "unknown", "invalid"]
    bed.publish(event(name, 8, CaseEventKind.REOPENED, 3))
    handled, skipped = node(bed, node_folder)
    assert [one["case_seq"] for one in handled] == [8]
    assert skipped == []


def test_the_lock_of_the_node_example_has_hashes_and_no_address() -> None:
    text = (EXAMPLES / "node" / "package-lock.json").read_text("utf-8")
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert len(packages) > 2
    assert all(entry["integrity"].startswith("sha512-") for name, entry in packages.items() if name)
