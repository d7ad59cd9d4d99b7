"""The index: what is found, in which order; erasure, topics made anew, kills, two builders."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from services.record.build import found_in
from services.record.index import Found, Index, discard_stale
from services.record.search import CLOSE, OPEN, Hit, Only, search
from services.record.words import parse
from shared import topics
from shared.errors import Misconfigured, Transient
from shared.events import CaseEventKind, CaseState, Channel, Operation, Resolution, Severity
from tests.unit.record.makers import (
    IDS,
    T0,
    Message,
    at,
    case,
    case_id,
    classified,
    dump,
    erased,
    event,
    found,
    key,
    ref,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search" / "index.sqlite3"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index(path) as made:
        made.begin(IDS)
        yield made


def ask(index: Index, text: str, limit: int = 20, **only: str | int) -> Sequence[Hit]:
    query = parse(text)
    assert query is not None
    return search(index, query, Only(**only), limit)  # type: ignore[arg-type]


def texts(hits: Iterable[Hit]) -> list[str]:
    return [hit.snippet.replace(OPEN, "").replace(CLOSE, "") for hit in hits]


RESOLVED = Resolution(
    outcome="Refund granted",
    reason="The courier lost it",
    next_step="We call on Monday",
    root_cause="Labels fade",
    prevention="A new printer",
)
HISTORY: tuple[Found, ...] = (
    found(0, classified("My parcel never came, I want a refund.")),
    found(1, classified("Parcel late", "bob", at=T0 + 7, channel=Channel.SOCIAL)),
    found(0, event(case(feedback=(ref("My parcel never came"),)), feedback_id="ada-1")),
    found(
        1,
        event(case(case_seq=2), CaseEventKind.ACKNOWLEDGED, note="The depot looks for the parcel"),
    ),
    found(
        2,
        event(
            case(case_seq=3, state=CaseState.RESOLVED, resolution="Sent again", outcome=RESOLVED),
            CaseEventKind.RESOLVED,
            note="Sent again",
        ),
    ),
)


def test_feedback_notes_and_resolutions_are_found_with_their_case(index: Index) -> None:
    index.apply(HISTORY, IDS)
    [hit] = ask(index, "refund parcel")
    assert hit == Hit(
        kind="feedback",
        case_id=case_id("ada"),
        feedback_id="ada-1",
        severity="high",
        channel="email",
        at=T0,
        state="resolved",
        resolution="Sent again",
        snippet=f"My {OPEN}parcel{CLOSE} never came, I want a {OPEN}refund{CLOSE}.",
    )
    assert [hit.kind for hit in ask(index, "depot")] == ["note"]
    assert [hit.kind for hit in ask(index, "again")] == ["case"]  # not once more as a note
    for learnt in ("granted", "courier", "monday", "fade", "printer"):
        assert [hit.case_id for hit in ask(index, learnt)] == [case_id("ada")]


def test_results_are_those_that_were_asked_for(index: Index) -> None:
    index.apply(HISTORY, IDS)
    assert len(ask(index, "parcel")) == 3
    assert len(ask(index, "parcel", limit=2)) == 2
    assert texts(ask(index, "parcel", channel="social")) == ["Parcel late"]
    assert texts(ask(index, "parcel", severity="medium")) == ["Parcel late"]
    assert len(ask(index, "parcel", severity="high", state="resolved")) == 2
    assert ask(index, "parcel", state="open") == []
    assert texts(ask(index, "parcel", since=T0 + 7)) == ["Parcel late"]


def test_the_best_come_first_and_of_equals_the_latest(index: Index) -> None:
    long = "A parcel " + "and many other words that are about something else " * 4
    given = [classified(long, "a", at=T0 + 9)]
    given += [classified("Parcel broken", name, at=T0 + n) for n, name in enumerate("bdc")]
    index.apply([found(number, one) for number, one in enumerate(given)], IDS)
    assert [hit.feedback_id for hit in ask(index, "parcel")] == ["c-1", "d-1", "b-1", "a-1"]


def test_a_revision_takes_the_place_of_what_was_said_and_a_deletion_leaves_nothing(
    index: Index,
) -> None:
    index.apply([found(0, classified("First wording"))], IDS)
    index.apply([found(1, classified("Second wording", feedback_id="ada-1b"))], IDS)
    assert texts(ask(index, "wording")) == ["Second wording"]
    index.apply([found(2, classified("", feedback_id="ada-1c", op=Operation.DELETE))], IDS)
    assert ask(index, "wording") == []


def test_the_excerpt_of_a_case_is_found_when_its_feedback_is_not_kept_any_more(
    index: Index,
) -> None:
    index.apply(HISTORY, IDS)
    assert [hit.kind for hit in ask(index, "never")] == ["feedback"]
    index.prune({at(topics.FEEDBACK_CLASSIFIED): 2, at(topics.CASE_EVENTS): 0})
    assert ask(index, "want") == []
    [hit] = ask(index, "never")
    assert (hit.kind, hit.feedback_id, hit.case_id) == ("excerpt", "ada-1", case_id("ada"))
    gone = case(case_seq=4, feedback=(ref("My parcel never came", deleted=True),))
    index.apply([found(3, event(gone, feedback_id="ada-1"))], IDS)
    assert ask(index, "never") == []


def test_what_is_erased_is_forgotten_in_the_file_as_well_and_stays_so(
    index: Index, path: Path
) -> None:
    index.apply(HISTORY, IDS)
    assert b"courier" in path.read_bytes()
    index.apply([found(0, erased("ada", T0 + 60))], IDS)
    for word in ("refund", "depot", "courier", "never"):
        assert ask(index, word) == []
        assert word.encode() not in path.read_bytes().lower()
    assert texts(ask(index, "parcel")) == ["Parcel late"]
    again = [classified("Refund again", number=2, at=T0 + 60), classified("Parcel", number=3)]
    index.apply([found(number + 2, one) for number, one in enumerate(again)], IDS)
    index.apply([found(3, event(case(case_seq=4), note="Refund"))], IDS)
    assert ask(index, "refund") == []
    late = classified("Refund, now as a new customer", number=4, at=T0 + 61)
    index.apply([found(4, late)], IDS)
    assert [hit.feedback_id for hit in ask(index, "refund")] == ["ada-4"]
    assert not any(
        key("ada") in row and "entry" in row for row in dump(index) if "ada-4" not in row
    )


def test_a_case_that_speaks_of_an_erasure_and_one_that_has_left_the_state_stay(
    index: Index,
) -> None:
    """``case.state`` forgets a case when it cannot be reopened any more; the record does not."""
    index.apply(HISTORY, IDS)
    speaks = found(0, case(resolution="customer.erased.v1"))
    left = found_in(topics.CASE_STATE, Message(topics.CASE_STATE, 1, None))  # type: ignore[arg-type]
    before = [row for row in dump(index) if not row.startswith("position")]
    index.apply([speaks, left], IDS)
    assert [row for row in dump(index) if not row.startswith("position")] == before


def test_another_order_of_topics_gives_the_same_index(tmp_path: Path) -> None:
    mark = found(0, erased("ada", T0 + 1))
    results = []
    for number, order in enumerate(((*HISTORY, mark), (mark, *HISTORY))):
        with Index(tmp_path / f"{number}") as index:
            index.begin(IDS)
            for one in order:
                index.apply([one], IDS)
            results.append(dump(index))
    assert results[0] == results[1]


def test_a_topic_that_was_made_anew_is_indexed_anew(index: Index) -> None:
    index.apply(HISTORY, IDS)
    assert index.begin(IDS)[at(topics.CASE_EVENTS)] == 3
    anew = IDS | {"case.events": "e2"}
    assert index.begin(anew) == {}
    assert ask(index, "parcel") == []
    index.apply(HISTORY[:3], anew)
    before = dump(index)
    with pytest.raises(Transient, match="anew"):
        index.apply(HISTORY[3:], IDS)
    assert dump(index) == before


def test_what_was_taken_in_is_not_taken_in_twice(path: Path, index: Index) -> None:
    index.apply(HISTORY, IDS)
    once = dump(index)
    with Index(path) as other:
        other.begin(IDS)
        other.apply(HISTORY[:4], IDS)
    index.reach({at(topics.CASE_EVENTS): 1}, IDS)
    assert dump(index) == once


def test_a_kill_within_a_batch_leaves_the_one_before(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from services.record.build import found_in
from services.record.index import Index
from tests.unit.record.makers import IDS
from tests.unit.record.test_index import HISTORY

def batch():
    yield from HISTORY[2:4]
    os.kill(os.getpid(), signal.SIGKILL)

with Index(Path(sys.argv[1])) as index:
    index.begin(IDS)
    index.apply(HISTORY[:2], IDS)
    index.apply(batch(), IDS)
"""
    path = tmp_path / "killed"
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with Index(path) as killed, Index(tmp_path / "whole") as whole:
        reached = killed.begin(IDS)
        assert reached == {at(topics.FEEDBACK_CLASSIFIED): 2}
        killed.apply(HISTORY[2:], IDS)
        whole.begin(IDS)
        whole.apply(HISTORY, IDS)
        assert dump(killed) == dump(whole)


def test_the_file_is_its_owners_only_and_what_is_damaged_is_made_anew(path: Path) -> None:
    old = os.umask(0)
    try:
        with Index(path) as index:
            index.begin(IDS)
            index.apply(HISTORY, IDS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_bytes(b"no database " * 1000)
    with Index(path) as index:
        assert index.begin(IDS) == {}
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA user_version=99")
    store.close()
    with Index(path) as index:
        index.begin(IDS)
        index.apply(HISTORY, IDS)
        assert len(ask(index, "parcel")) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="file"):
        Index(tmp_path / "file" / "index")


def test_a_link_is_not_followed(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    other.chmod(0o644)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(other)
    with pytest.raises(Misconfigured, match="link"):
        Index(path)
    assert (other.read_bytes(), stat.S_IMODE(other.stat().st_mode)) == (b"mine", 0o644)


def test_a_link_to_nowhere_stops_no_search(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "gone.sqlite3").symlink_to(path.parent / "nowhere")
    discard_stale(path.parent, 1e12)
    assert list(path.parent.iterdir()) == []


def test_an_index_that_nobody_uses_is_removed(path: Path) -> None:
    for name in ("old", "new"):
        with Index(path.with_name(f"{name}.sqlite3")) as index:
            index.begin(IDS)
    os.utime(path.with_name("old.sqlite3"), (T0, 1000.0))
    discard_stale(path.parent, 1001.0)
    assert [one.name for one in path.parent.iterdir()] == ["new.sqlite3"]
    os.utime(path.with_name("new.sqlite3"), (T0, 1000.0))
    Index(path.with_name("new.sqlite3")).store.close()
    discard_stale(path.parent, 1001.0)
    assert [one.name for one in path.parent.iterdir()] == ["new.sqlite3"]
    discard_stale(path.parent / "nowhere", 1001.0)


def test_a_file_that_is_damaged_within_is_named(path: Path) -> None:
    with Index(path) as index:
        index.begin(IDS)
        index.apply(HISTORY, IDS)
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xff" * (len(raw) - 8192)
    path.write_bytes(raw)
    with Index(path) as index, pytest.raises(Misconfigured, match="remove it"):
        ask(index, "parcel")


def test_severity_of_a_text_without_a_case_is_its_own(index: Index) -> None:
    index.apply([found(0, classified("Fire", severity=Severity.CRITICAL))], IDS)
    [hit] = ask(index, "fire", severity="critical")
    assert (hit.case_id, hit.state, hit.resolution) == (None, None, None)
