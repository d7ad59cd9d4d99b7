"""Exports from a real broker, read back by other readers."""

from __future__ import annotations

import csv
import json
import time
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from services.record.timeline import events_of, timeline
from services.record.times import rfc3339
from shared import codec, topics
from shared.errors import Misconfigured
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    Severity,
    SeverityCorrected,
)
from tests.integration.record.conftest import PARTITIONS, Record, summary
from tests.unit.record.makers import T0, case, case_id, classified, erased, event, key

pytestmark = pytest.mark.integration

DAY = 86_400_000
NOW = int(time.time() * 1000)
NAMES = [f"c{number}" for number in range(12)]
SAID = [classified(f'=1+"{name}"\nçé', name, at=NOW) for name in NAMES]
OPENED = [event(case(name, opened_at=NOW), recorded_at=NOW) for name in NAMES]
OLD = event(case("old", opened_at=NOW - 9 * DAY), recorded_at=NOW - 9 * DAY)


def out(record: Record, *words: str) -> list[str]:
    done = record.call("export", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_json_lines_are_the_committed_events_from_a_time_on(record: Record) -> None:
    record.produce(OLD, at=NOW - 9 * DAY)
    record.produce(event(case("never")), aborted=True)
    record.produce(*OPENED, at=NOW - DAY)
    record.raw(topics.CASE_EVENTS, key("c1"), key("c1"), b"{}")
    wanted = sorted(codec.encode(one).decode() for one in OPENED)
    assert sorted(out(record, "--since", "2d")) == wanted
    for long_ago in ("2000-01-01", "1969-12-31T23:59:59.999Z", "1800-01-01"):
        assert len(out(record, "--since", long_ago)) == len(OPENED) + 1
    until = rfc3339(NOW - 2 * DAY)
    assert out(record, "--since", "2000-01-01", "--until", until) == [codec.encode(OLD).decode()]
    done = record.call("export", "--since", "2d", "--json")
    told = json.loads(done.stderr)
    assert (told["rows"], told["skipped"]) == (len(OPENED), {"bad_schema": 1})
    assert told["first"] == told["last"] == rfc3339(NOW - DAY)
    assert out(record, "--since", "2d", "--case", case_id("c3")) == [
        codec.encode(OPENED[3]).decode()
    ]
    assert out(record, "--since", "2d", "--severity", "low") == []
    assert out(record, "--since", "2100-01-01") == []


def test_csv_reads_back_and_holds_no_formula(record: Record, tmp_path: Path) -> None:
    file = tmp_path / "feedback.csv"
    record.produce(*SAID)
    given = ("export", "--since", "1h", "--what", "feedback", "--format", "csv", "--json")
    told = summary(record.call(*given, "--out", str(file)))
    assert (told["rows"], told["file"]) == (len(SAID), str(file))
    with file.open(encoding="utf-8", newline="") as opened:
        rows = {row["feedback_id"]: row for row in csv.DictReader(opened)}
    assert {row["text"] for row in rows.values()} == {"'" + one.feedback.text for one in SAID}
    assert rows["c1-1"]["received_at"] == rfc3339(NOW)
    again = record.call(*given, "--out", str(file))
    assert again.returncode == 2
    assert "--force" in again.stderr
    filtered = (*given, "--channel", "social", "--force", "--out", str(file))
    assert summary(record.call(*filtered))["filtered"] == len(SAID)
    assert len(file.read_text("utf-8").splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["feedback.csv"]


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs the extra tocsin[export]")
def test_parquet_reads_back(record: Record, tmp_path: Path) -> None:
    import pyarrow.parquet  # type: ignore[import-untyped,unused-ignore]

    file = tmp_path / "events.parquet"
    record.produce(*OPENED)
    given = ("export", "--since", "1h", "--format", "parquet")
    assert summary(record.call(*given, "--out", str(file), "--json"))["rows"] == len(OPENED)
    table = pyarrow.parquet.read_table(file)
    assert str(table.schema.field("recorded_at").type) == "timestamp[ms, tz=UTC]"
    found = {row["event_id"]: row for row in table.to_pylist()}
    assert found.keys() == {one.event_id for one in OPENED}
    assert {row["case_severity"] for row in found.values()} == {"high"}
    assert record.call(*given).returncode == 2  # not to standard output


def test_of_each_case_the_last_snapshot_is_exported(record: Record) -> None:
    first = case("c1")
    last = msgspec.structs.replace(first, case_seq=2, state=CaseState.ACKNOWLEDGED)
    record.produce(first, case("c2"), case("gone"))
    record.produce(last)
    record.raw(topics.CASE_STATE, case_id("gone"), key("gone"), None)
    found = [json.loads(line) for line in out(record, "--since", "1h", "--what", "cases")]
    states = {one["case_id"]: one["state"] for one in found}
    assert states == {case_id("c1"): "acknowledged", case_id("c2"): "open"}
    told = json.loads(record.call("export", "--since", "1h", "--what", "cases", "--json").stderr)
    assert told["skipped"] == {"deleted": 1, "superseded": 2}


def test_what_was_erased_is_not_exported(record: Record) -> None:
    correction = SeverityCorrected(
        correction_id="k1",
        feedback_id="c1-1",
        tenant="acme",
        record_key=key("c1"),
        channel=Channel.EMAIL,
        text="gone",
        severity=Severity.HIGH,
        was=Severity.LOW,
        by="bo",
        at=NOW,
    )
    later = classified("Here again", "c1", 2, at=NOW + 2)
    cases = [one.case for one in OPENED if one.case is not None]
    record.produce(*SAID, *OPENED, *cases, correction, later)
    record.produce(erased("c1", NOW + 1))
    for what, rows in (("events", 11), ("cases", 11), ("feedback", 12), ("corrections", 0)):
        done = record.call("export", "--since", "1h", "--what", what, "--json")
        told = json.loads(done.stderr)
        assert (what, told["rows"], told["skipped"]) == (what, rows, {"erased": 1})
        lines = [line for line in done.stdout.splitlines() if f'"{key("c1")}"' in line]
        assert [line for line in lines if "Here again" not in line] == []


def test_wrong_questions_are_refused(record: Record) -> None:
    for words in (
        ("--since", "yesterday"),
        ("--since", "1h", "--what", "feedback", "--case", case_id("c1")),
        ("--since", "1h", "--format", "parquet"),
        (),
    ):
        assert record.call("export", *words).returncode == 2
    listed = record.call("export", "--columns")
    assert listed.returncode == 0
    assert "follow_up_due_at" in listed.stdout


def test_the_timeline_of_a_case_is_read_from_the_partition_of_its_customer(
    record: Record,
) -> None:
    of = case("c1", opened_at=T0)
    noted = msgspec.structs.replace(of, case_seq=2)
    events = [
        event(of, cause=Cause.FEEDBACK),
        event(noted, CaseEventKind.NOTED, note="Called back", actor="bo"),
    ]
    record.produce(*events, *OPENED[2:])
    config = record.installation.loaded(kafka__partitions=PARTITIONS).config.kafka
    names = record.installation.names
    found = events_of(config.client(), names, PARTITIONS, case_id("c1"))
    assert found == events
    assert [line.who for line in timeline(found)] == ["customer", "bo"]
    assert events_of(config.client(), names, PARTITIONS, case_id("nobody")) == []
    with pytest.raises(Misconfigured, match="partitions is 4"):
        events_of(config.client(), names, PARTITIONS + 1, case_id("c1"))
    with pytest.raises(Misconfigured, match="not a case id"):
        events_of(config.client(), names, PARTITIONS, "c1")
    record.produce(erased("c1", T0))
    assert events_of(config.client(), names, PARTITIONS, case_id("c1")) == []
