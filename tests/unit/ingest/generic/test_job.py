"""One file, from recognition to its state, with intake in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli import cli
from services.ingest.channels.provider import Settings
from services.ingest.importing.formats import Format, Unrecognised
from services.ingest.importing.job import Damaged, Job, Order
from services.ingest.importing.state import OtherImport, State
from services.ingest.registry import Source
from shared import topics
from shared.events import Flag

NOW = 1_767_323_045_000
LINES = b"".join(
    json.dumps({"id": str(number), "channel": "email", "text": f"It broke {number}."}).encode()
    + b"\n"
    for number in range(30)
)


def _order(folder: Path, kind: Format | None = None) -> Order:
    return Order(
        source="history",
        format=kind,
        columns={},
        settings=Settings(name="history"),
        provider="",
        flags=(Flag.BACKFILL,),
        folder=folder / "states",
    )


def _run(job: Job, rig: Any) -> State:
    async def scenario() -> State:
        intake = rig.intake()
        state = await job.run(intake, 0.0, lambda _: None)
        await intake.settle()
        return state

    return asyncio.run(scenario())


def test_a_packed_file_is_imported_once(rig: Any, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))
    state = _run(Job(path, _order(tmp_path), NOW), rig)
    assert (state.steps, state.counts.accepted, state.finished) == (30, 30, True)
    events = [json.loads(value) for value in rig.log.values(topics.FEEDBACK_RECEIVED.name)]
    assert all(event["flags"] == ["backfill"] for event in events)
    assert all(event["source"] == "history" for event in events)
    again = Job(path, _order(tmp_path), NOW)
    assert again.state == state
    assert _run(again, rig).counts.accepted == 30
    assert len(rig.log.values(topics.FEEDBACK_RECEIVED.name)) == 30


def test_the_state_of_another_file_skips_nothing(rig: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(LINES)
    second.write_bytes(LINES.replace(b"broke", b"leaks"))
    order = dataclasses.replace(_order(tmp_path), state=tmp_path / "state.json")
    done = _run(Job(first, order, NOW), rig)
    assert Job(first, order, NOW).state == done
    with pytest.raises(OtherImport, match=r"a\.jsonl .*--restart begins .*b\.jsonl anew"):
        Job(second, order, NOW)
    with pytest.raises(OtherImport, match="source history"):
        Job(first, dataclasses.replace(order, source="other"), NOW)
    again = Job(second, dataclasses.replace(order, restart=True), NOW)
    assert _run(again, rig).counts.accepted == 30
    assert Job(second, order, NOW).state.finished


def test_a_packed_file_that_ends_early_says_so(rig: Any, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl.gz"
    path.write_bytes(gzip.compress(LINES * 2_000)[:-200])
    job = Job(path, _order(tmp_path), NOW)
    with pytest.raises(Damaged, match="damaged gzip"):
        _run(job, rig)
    assert job.state.steps > 0
    assert not job.state.finished


def test_a_table_without_a_header_is_no_table(rig: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(b"\n\n")
    with pytest.raises(Damaged, match="header"):
        _run(Job(path, _order(tmp_path), NOW), rig)


def test_a_mail_goes_through_the_core_of_the_mail_channel(rig: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(b"From: Ada <ada@example.com>\r\nSubject: Broken\r\n\r\nIt leaks.\r\n")
    assert _run(Job(path, _order(tmp_path), NOW), rig).counts.accepted == 1
    [event] = [json.loads(value) for value in rig.log.values(topics.FEEDBACK_RECEIVED.name)]
    assert event["channel"] == "email"
    assert "It leaks." in event["text"]


def test_the_settings_of_a_configured_source_are_used(tmp_path: Path) -> None:
    source = Source(
        provider="zendesk", region="DE", languages=("de",), options={"a": "1", "b": "2"}
    )
    settings = Order.settings_of("desk", source, {"b": "3"})
    assert settings == Settings(
        name="desk", region="DE", languages=("de",), options={"a": "1", "b": "3"}
    )


def test_the_format_is_looked_at_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "what"
    path.write_bytes(b"\0\1\2")
    with pytest.raises(Unrecognised, match="--format"):
        Job(path, _order(tmp_path), NOW)
    assert Job(path, _order(tmp_path, Format.JSONL), NOW).format is Format.JSONL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "txt=Comment"], "no field 'txt'"),
        (["--map", "text"], "FIELD=COLUMN"),
        (["--option", "region"], "NAME=VALUE"),
        (["--source", "a b"], "source"),
    ],
)
def test_what_is_wrong_with_the_command_is_said(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    call = ["import", str(path), "--source", "s", "--dry-run", *arguments]
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 2
    assert message in done.output


def test_a_state_that_does_not_belong_is_a_wrong_command(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    call = ["import", str(path), "--source", "s", "--dry-run", "--state", str(path)]
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 2
    assert "no state of an import" in done.output
    assert path.read_bytes() == LINES


def test_a_dry_run_reports_for_people(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES * 2 + b"{oops\n")
    done = CliRunner().invoke(cli, ["import", str(path), "--source", "s", "--dry-run"])
    assert done.exit_code == 1
    assert "60 items in 61 pieces, 30 of them twice" in done.output
    assert "channel email: 60" in done.output
    assert "unfit bad_json: 1, first at line 61" in done.output
