"""Formats, steps and the loop of an import, without Kafka."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings, Unfit
from services.ingest.channels.tables import columns
from services.ingest.importing import run as running
from services.ingest.importing import state as states
from services.ingest.importing.convert import MAX_LINE, Entry, Recipe, Step, steps
from services.ingest.importing.formats import Format, Unrecognised, recognise
from services.ingest.importing.state import State
from services.ingest.outcome import Result, Status
from shared.errors import Transient
from shared.events import Channel, Role

OWN = {"id": "1", "channel": "email", "text": "Il pacco è arrivato rotto."}
TICKET = {
    "id": 9,
    "subject": "Kaputt",
    "via": {"channel": "email"},
    "requester": {"id": 1, "name": "Uwe", "email": "uwe@example.com"},
    "comments": [
        {"id": 11, "author_id": 1, "body": "Es ist kaputt.", "created_at": "2026-01-02T03:04:05Z"},
        {"id": 12, "author_id": 5, "body": "Wir tauschen es."},
        {"id": 13, "author_id": 5, "body": "Laut.", "public": False},
        {"body": "no id"},
    ],
}
CONVERSATION = {
    "id": 4,
    "channel": "Channel::Email",
    "account_id": 2,
    "meta": {"sender": {"id": 8, "name": "Li"}},
    "messages": [
        {"id": 41, "content": "退款还没到账。", "message_type": 0, "created_at": 1767323045},
        {"id": 42, "content": "Soon.", "message_type": 1, "sender": {"id": 3, "type": "user"}},
        {"id": 43, "content": "Joined", "message_type": 2},
    ],
}


def _recipe(kind: Format, *maps: str, **options: str) -> Recipe:
    return Recipe(kind, Settings(name="t", options=options), columns(maps), now=1_767_323_045_000)


def _steps(kind: Format, data: bytes, *maps: str, **options: str) -> list[Step]:
    return list(steps(io.BufferedReader(io.BytesIO(data)), _recipe(kind, *maps, **options)))


def _jsonl(*values: object) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.jsonl", _jsonl(OWN), Format.JSONL),
        ("a.json.gz", _jsonl(OWN), Format.JSONL),
        ("a.txt", b"\xef\xbb\xbf" + _jsonl({"message": "x"}), Format.JSONL),
        ("a.jsonl", _jsonl(TICKET), Format.ZENDESK),
        ("a", _jsonl(CONVERSATION), Format.CHATWOOT),
        ("a.csv", b"Comment;Stars\nx;1\n", Format.CSV),
        ("a.eml", b"Received: x\nFrom: a@b.c\n", Format.EML),
        ("mail", b"Received: x\r\nFrom: a@b.c\r\n\r\n", Format.EML),
        ("inbox", b"From a@b.c Mon Jan  5 10:00:00 2026\n", Format.MBOX),
    ],
)
def test_formats_are_recognised(name: str, head: bytes, kind: Format) -> None:
    assert recognise(Path(name), head) is kind


@pytest.mark.parametrize(("name", "head"), [("a.json", b"[{}]"), ("a.bin", b"\0\1"), ("a", b"")])
def test_what_is_no_format_is_said_so(name: str, head: bytes) -> None:
    with pytest.raises(Unrecognised):
        recognise(Path(name), head)


def test_jsonl_in_our_own_form_with_bad_lines_among_them() -> None:
    long = {"id": "2", "channel": "email", "text": "x" * MAX_LINE}
    data = _jsonl(OWN) + b"{oops\n\n" + _jsonl(long) + b"\xff\xfe\n" + _jsonl(OWN | {"id": "3"})
    found = _steps(Format.JSONL, data)
    assert [step.line for step in found] == [1, 2, 4, 5, 6]
    reasons = [entry.reason for step in found for entry in step.entries if isinstance(entry, Unfit)]
    assert reasons == ["bad_json", "too_large", "bad_json"]
    unfit = found[1].entries[0]
    assert isinstance(unfit, Unfit)
    assert unfit.detail.startswith("line 2: ")
    assert unfit.payload == b"{oops"


def test_jsonl_of_another_form() -> None:
    data = _jsonl({"Frage": "Warum so teuer?", "Note": "2", "kunde": {"nr": 7}, "x": "y"})
    maps = ("text=frage", "rating=note", "author=kunde.nr", "attributes.extra=x")
    [step] = _steps(Format.JSONL, data, *maps, channel="social", rating_max="6")
    [item] = step.entries
    assert isinstance(item, Item)
    assert (item.text, item.author, item.channel) == ("Warum so teuer?", "7", Channel.SOCIAL)
    assert item.attributes == {"extra": "y"}
    assert item.rating is not None
    assert item.rating.max == 6


def test_a_ticket_of_zendesk() -> None:
    [step] = _steps(Format.ZENDESK, _jsonl(TICKET))
    customer, agent, unfit = step.entries
    assert isinstance(customer, Item)
    assert isinstance(agent, Item)
    assert isinstance(unfit, Unfit)
    assert customer.text == "Kaputt\n\nEs ist kaputt."
    assert customer.native_id == "comment:11"
    assert agent.role is Role.AGENT
    assert step.ignored == 1
    [bare] = _steps(Format.ZENDESK, _jsonl({"id": 3, "description": "Hm"}))
    assert [entry.native_id for entry in bare.entries if isinstance(entry, Item)] == ["ticket:3"]


def test_a_conversation_and_a_page_of_chatwoot() -> None:
    messages = [message | {"conversation_id": 4} for message in CONVERSATION["messages"]]  # type: ignore[attr-defined]
    page = {"account_id": 2, "meta": {"contact": {"id": 8, "name": "Li"}}, "payload": messages}
    one, two = _steps(Format.CHATWOOT, _jsonl(CONVERSATION, page))
    assert [entry.native_id for entry in one.entries if isinstance(entry, Item)] == [
        "message:41",
        "message:42",
    ]
    first, second = one.entries[0], two.entries[0]
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert first.author == second.author == "contact:8"
    assert first.thread_id == second.thread_id == "2:4"
    assert one.ignored == two.ignored == 1


def test_a_table() -> None:
    [step] = _steps(Format.CSV, b"Nr;Kommentar\n1;Zu langsam\n", "id=Nr", "text=Kommentar")
    [item] = step.entries
    assert isinstance(item, Item)
    assert (item.native_id, item.text, step.line) == ("1", "Zu langsam", 2)


class Taker:
    """Stands in for intake: refuses what it is told to, as often as it is told to."""

    def __init__(self, unavailable: int = 0) -> None:
        self.taken: list[str] = []
        self.unavailable = unavailable

    async def __call__(self, entries: Sequence[Entry]) -> list[Result]:
        results = []
        for entry in entries:
            if self.unavailable and len(self.taken) >= 2:
                self.unavailable -= 1
                results.append(Result(Status.UNAVAILABLE, detail="kafka: away"))
            elif isinstance(entry, Item):
                self.taken.append(entry.native_id)
                results.append(Result(Status.ACCEPTED))
            else:
                results.append(Result(Status.REJECTED))
        return results


def _file(count: int) -> bytes:
    return _jsonl(*[OWN | {"id": str(number)} for number in range(count)])


def _run(data: bytes, taker: Taker, state: State, place: Path, patience_s: float = 0.0) -> None:
    found = _steps(Format.JSONL, data)
    asyncio.run(running.run(found, taker, state, lambda now: states.save(place, now), patience_s))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    monkeypatch.setattr(running, "RETRY_S", 0.01)


@pytest.mark.usefixtures("small")
def test_the_state_follows_what_was_acknowledged_and_a_second_run_goes_on(tmp_path: Path) -> None:
    data, place = _file(5) + b"{oops\n", tmp_path / "deep" / "state.json"
    fresh = State(key="k", file="f", source="s", format="jsonl")
    with pytest.raises(Transient, match="away"):
        _run(data, Taker(unavailable=1_000), fresh, place)
    kept = states.load(place, State(key="k", file="moved", source="s", format="jsonl"))
    assert (kept.file, kept.steps, kept.line, kept.finished) == ("f", 2, 2, False)
    again = Taker()
    _run(data, again, kept, place)
    assert again.taken == ["2", "3", "4"]
    done = states.load(place, fresh)
    assert (done.steps, done.finished) == (6, True)
    assert (done.counts.accepted, done.counts.rejected) == (5, 1)
    third = Taker()
    _run(data, third, done, place)
    assert third.taken == []
    assert done.counts.accepted == 5


@pytest.mark.usefixtures("small")
def test_only_what_was_unavailable_is_tried_again(tmp_path: Path) -> None:
    taker, state = Taker(unavailable=4), State(key="k", file="f", source="s", format="jsonl")
    _run(_file(4), taker, state, tmp_path / "state.json", patience_s=10.0)
    assert taker.taken == ["0", "1", "2", "3"]
    assert state.counts.accepted == 4


def test_the_key_of_a_file_is_from_its_beginning_size_time_and_reading(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(_file(3))
    shutil.copy2(one, two)
    assert states.key_of(one, "s") == states.key_of(two, "s") != states.key_of(one, "t")
    two.write_bytes(_file(4))
    os.utime(two, ns=(0, one.stat().st_mtime_ns))
    assert states.key_of(one, "s") != states.key_of(two, "s")


def test_a_file_that_was_corrected_at_equal_length_is_another_one(tmp_path: Path) -> None:
    path, head = tmp_path / "one", b"x" * 2 * states.HEAD
    path.write_bytes(head + b"bad line")
    os.utime(path, ns=(0, 1_000_000_000))
    key = states.key_of(path, "s")
    path.write_bytes(head + b"fixed ln")
    os.utime(path, ns=(0, 1_000_000_001))
    assert states.key_of(path, "s") != key


@pytest.mark.parametrize("data", [b"{", b"\xff", b"{}", b'{"file": "f", "source": "s"}'])
def test_what_is_no_state_is_not_overwritten(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").write_bytes(data)
    fresh = State(key="k", file="f", source="s", format="csv")
    with pytest.raises(states.OtherImport, match="no state of an import; --restart"):
        states.load(tmp_path / "s", fresh)
    assert states.load(tmp_path / "none", fresh) is fresh
