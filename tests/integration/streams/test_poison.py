"""Poison of every kind: one dead letter each, the neighbours go through, a flood stops the worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shared import codec
from shared.errors import Exit
from shared.events import CaseCommand, CommandKind
from tests.integration.streams.conftest import Bench
from tests.services import wait_for

pytestmark = pytest.mark.integration


def good(number: int) -> bytes:
    return codec.encode(
        CaseCommand(
            command_id=f"c{number}",
            tenant="t",
            case_id="t:anna:0123456789ab",
            kind=CommandKind.ACKNOWLEDGE,
            actor="x",
            at=1,
        )
    )


POISON: dict[str, bytes | None] = {
    "bad_json": b'{"type": ',
    "bad_utf8": b'{"type":"case.command.v1","command_id":"\xff\xfe"}',
    "too_deep": b'{"type":"case.command.v1","command_id":' + b"[" * 100_000,
    "unknown_type": b'{"type":"invoice.v1"}',
    "unknown_version": b'{"type":"case.command.v9"}',
    "bad_schema": b'{"type":"case.command.v1","command_id":5}',
    "empty": None,
}


def test_each_kind_becomes_one_dead_letter_and_the_neighbours_pass(bench: Bench) -> None:
    values: list[bytes | None] = [good(0)]
    for number, raw in enumerate(POISON.values(), 1):
        values += [raw, good(number)]
    values.append(b"")
    bench.raw("in", values)
    relay = bench.start(decode=True)
    letters = [json.loads(record.value or b"") for record in bench.wait_out(8, topic="dead")]
    passed = bench.wait_out(8)
    assert [record.value for record in passed] == [good(number) for number in range(8)]
    reasons = [letter["reason"] for letter in letters]
    assert sorted(reasons) == sorted([*POISON, "empty"])
    assert {letter["offset"] for letter in letters} == {1, 3, 5, 7, 9, 11, 13, 15}
    assert relay.process.alive


def test_a_foreign_record_with_huge_headers_is_a_dead_letter_too(bench: Bench) -> None:
    """Headers are kept, base64 makes them a third longer: the letter must still fit a record."""
    producer = Producer({"bootstrap.servers": bench.installation.bootstrap})
    producer.produce(
        bench.name("in"), b"{", b"k" * 1_000, partition=0, headers=[("x", b"h" * 800_000)]
    )
    assert producer.flush(30) == 0
    bench.raw("in", [good(1)])
    relay = bench.start(decode=True)
    wait_for(lambda: len(bench.read()) == 1 or not relay.process.alive, "the neighbour passes")
    assert relay.process.alive, relay.process.log_tail()
    assert len(bench.read("dead")) == 1


def test_a_foreign_record_with_a_huge_key_is_a_dead_letter_too(bench: Bench) -> None:
    producer = Producer({"bootstrap.servers": bench.installation.bootstrap})
    producer.produce(bench.name("in"), good(0), b"k" * 500_000, partition=0)
    assert producer.flush(30) == 0
    bench.raw("in", [good(1)])
    relay = bench.start(decode=True)
    (letter,) = bench.wait_out(1, topic="dead")
    assert json.loads(letter.value or b"")["reason"] == "too_large"
    assert [record.value for record in bench.wait_out(1)] == [good(1)]
    assert relay.process.alive


def test_an_output_that_is_too_large_is_a_bug_and_not_retried_for_ever(bench: Bench) -> None:
    bench.raw("in", [b"x" * 1_040_000])
    relay = bench.start(ready=False)
    assert relay.wait_end(30) == Exit.BUG


def test_a_topic_of_nothing_but_poison_stops_the_worker_and_is_not_drained(bench: Bench) -> None:
    bench.raw("in", [b"{"] * 20_000)
    settings: dict[str, str | int | float | bool] = {
        "streams.max_records": 500,
        "streams.dead_letter_run": 1_000,
    }
    for _ in range(2):
        relay = bench.start(decode=True, settings=settings, ready=False)
        assert relay.wait_end(40) == Exit.DEAD_LETTERS
    letters = bench.read("dead")
    assert 1_000 <= len(letters) <= 2 * (1_000 + 2 * 500)
    assert len({record.value for record in letters}) == len(letters)


def test_a_bug_in_the_handler_ends_the_worker_and_skips_nothing(bench: Bench) -> None:
    written = bench.produce("in", 400, keys=1)
    relay = bench.start(
        ready=False, fail_on="in-137", fail_with="bug", settings={"streams.max_records": 50}
    )
    assert relay.wait_end(30) == Exit.BUG
    before = [record.value for record in bench.read()]
    assert before == [value for _, value in written[: len(before)]]
    assert len(before) <= 137
    bench.start()
    found = bench.wait_out(400)
    assert [record.value for record in found] == [value for _, value in written]


def test_a_transient_fault_in_the_handler_is_retried_in_place(bench: Bench, tmp_path: Path) -> None:
    written = bench.produce("in", 400, keys=1)
    heal = tmp_path / "heal"
    relay = bench.start(fail_on="in-137", fail_with="transient", heal=str(heal), ready=False)
    wait_for(Path(f"{heal}.seen").exists, "the fault is met")
    heal.touch()
    found = bench.wait_out(400)
    assert [record.value for record in found] == [value for _, value in written]
    assert relay.process.alive
