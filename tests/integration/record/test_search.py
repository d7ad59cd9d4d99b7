"""The search on a real broker: what is there is found, what is erased is not, twice is once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from shared import topics
from shared.config import Kafka
from shared.events import CaseEventKind, CaseState, Resolution
from shared.streams.admin import TopicAdmin
from tests.integration.record.conftest import PARTITIONS, Record
from tests.services import wait_for
from tests.unit.record.makers import T0, case, case_id, classified, erased, event, key, ref

pytestmark = pytest.mark.integration

PROMISE = Resolution(outcome="Replaced", reason="Faulty seal", next_step="Call on Monday")


def search(record: Record, *words: str) -> list[Any]:
    return record.lines("search", "--json", *words)


def fill(record: Record) -> None:
    opened = case(feedback=(ref("The kettle leaks"),))
    solved = case(case_seq=2, state=CaseState.RESOLVED, outcome=PROMISE, resolution="Replaced")
    record.produce(
        classified("The kettle leaks on my table"),
        classified("ケトルから水が漏れます。返金してください", "yuki"),
        event(opened, feedback_id="ada-1"),
        event(solved, CaseEventKind.RESOLVED, note="New kettle sent", actor="bo"),
        opened,
        solved,
    )
    record.produce(classified("Rolled back kettle", "never"), aborted=True)


def test_search_erase_search_again(record: Record) -> None:
    fill(record)
    [hit] = search(record, "kettle", "leaks")
    assert (hit["feedback_id"], hit["case_id"]) == ("ada-1", case_id("ada"))
    assert (hit["state"], hit["resolution"]) == ("resolved", "Replaced")
    assert hit["snippet"] == "The kettle leaks on my table"
    assert [one["feedback_id"] for one in search(record, "返金")] == ["yuki-1"]
    assert [one["kind"] for one in search(record, '"faulty seal"')] == ["case"]
    assert {one["kind"] for one in search(record, "kettle")} == {"feedback", "note"}

    record.produce(erased("ada", T0 + 100))
    for gone in ("kettle", "faulty", "monday", "leaks"):
        assert search(record, gone) == []
    record.produce(
        classified("Kettle of before", number=2, at=T0 + 100),
        classified("Kettle of after", number=3, at=T0 + 101),
    )
    assert [one["feedback_id"] for one in search(record, "kettle")] == ["ada-3"]
    [file] = (record.cache / "search").iterdir()
    assert b"Faulty seal" not in file.read_bytes()
    file.unlink()  # from the beginning it is the same
    assert [one["feedback_id"] for one in search(record, "kettle")] == ["ada-3"]
    shown = record.call("search", "返金")
    assert "返金" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_what_cannot_be_read_is_told_and_what_is_typed_is_no_error(record: Record) -> None:
    fill(record)
    record.raw(topics.FEEDBACK_CLASSIFIED, key("ada"), key("ada"), b"garbage")
    done = record.call("search", '("kettle* AND', "--json")
    assert done.returncode == 0
    assert "bad_json" in done.stderr
    assert record.call("search", "...").returncode == 2
    assert record.call("search", "--since", "soon", "x").returncode == 2
    assert search(record, "kettle", "--since", rfc()) == []


def rfc() -> str:
    return "2100-01-01T00:00:00Z"


def test_two_who_build_at_once_build_one_index(record: Record) -> None:
    fill(record)
    many = [classified(f"kettle number {n}", f"n{n}") for n in range(5000)]
    record.produce(*many)

    def ask(_: int) -> subprocess.CompletedProcess[str]:
        return record.call("search", "kettle", "--json", "--limit", "10000")

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, range(2)))
    for done in answers:
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 5002
    [file] = (record.cache / "search").iterdir()
    with sqlite3.connect(file) as store:
        assert store.execute("SELECT count(*) FROM entry").fetchone() == (5005,)
        store.execute("INSERT INTO word(word, rank) VALUES('integrity-check', 1)")
    store.close()


def test_topics_that_are_made_anew_are_indexed_anew(record: Record) -> None:
    fill(record)
    assert len(search(record, "kettle")) == 2
    installation = record.installation
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    name = installation.names.of(topics.FEEDBACK_CLASSIFIED)
    admin.delete_topics([name])[name].result(30)
    kafka: Kafka = installation.loaded(kafka__partitions=PARTITIONS).config.kafka
    with TopicAdmin(kafka) as topic_admin:
        wait_for(lambda: not topic_admin.existing([name]), "the topic is gone")
    refused = record.call("search", "kettle")
    assert refused.returncode == 2
    assert "tocsin topics apply" in refused.stderr
    installation.create_topics(PARTITIONS)
    record.produce(classified("Another kettle", "new"))
    found = search(record, "kettle")
    assert {one["feedback_id"] for one in found} == {"new-1", "ada-1", None}
    assert json.dumps(found).count("leaks") == 1  # the excerpt of the case
