from __future__ import annotations

import pytest
from confluent_kafka import Message

from shared import codec, topics
from shared.codec import Decoder
from shared.errors import Poison, PoisonReason
from shared.events import DeadLetter, FeedbackReceived
from shared.metrics import Metrics
from shared.streams.dead_letters import MAX_KEPT, Sieve, header, letter
from shared.streams.records import Chunk, Output, Partition
from tests.unit.shared.test_codec import raw
from tests.unit.streams.fakes import metrics, record, value_of

WHERE = Partition("feedback.received", 3)
POISON = Poison(PoisonReason.BAD_JSON, "no")
read = Decoder[DeadLetter](topics.DEAD_LETTERS.carries).decode


def sieve(made: Metrics) -> Sieve[FeedbackReceived]:
    decoder = Decoder[FeedbackReceived](topics.FEEDBACK_RECEIVED.carries)
    return Sieve("classifier", "dead-letters", decoder, made)


def chunk_of(*messages: Message) -> Chunk:
    return Chunk(WHERE, 1, 0, len(messages), 0, messages)


def buried(message: Message) -> Output:
    return sieve(metrics()).bury(message, POISON, 7)


def test_poison_is_set_aside_and_its_neighbours_go_on() -> None:
    made = metrics()
    values = [raw(feedback_id="a"), b"{", raw(feedback_id="b"), None]
    messages = [record(at, WHERE, value) for at, value in enumerate(values)]
    good, dead = sieve(made).sift(chunk_of(*messages), 7)
    assert [(message.offset(), event.feedback_id) for message, event in good] == [
        (0, "a"),
        (2, "b"),
    ]
    assert [read(one.value).reason for one in dead] == ["bad_json", "empty"]
    for reason in ("bad_json", "empty"):
        labels = {"stage": "classifier", "reason": reason}
        assert value_of(made, "tocsin_dead_letters_total", **labels) == 1
    labels = {"stage": "classifier", "outcome": "dead_letter"}
    assert value_of(made, "tocsin_stage_processed_total", **labels) == 2


def test_nothing_gives_nothing() -> None:
    assert sieve(metrics()).sift(chunk_of(), 7) == ([], [])


def test_a_dead_letter_keeps_the_record_whole() -> None:
    headers = [("ce_id", b"f1"), ("traceparent", b"00-ab"), ("odd", b"\xff")]
    dead = buried(record(9, WHERE, b"\xff{", b"acme:c1", headers))
    own = dict(dead.headers)["ce_id"]
    assert (dead.topic, dead.partition, dead.key) == ("dead-letters", 3, own)
    assert read(dead.value) == DeadLetter(
        stage="classifier",
        reason="bad_json",
        detail="no",
        at=7,
        topic="feedback.received",
        partition=3,
        offset=9,
        key=b"acme:c1",
        value=b"\xff{",
        headers=tuple(headers),
        feedback_id="f1",
    )
    assert ("ce_type", b"tocsin.dead.letter.v1") in dead.headers
    assert ("ce_source", b"tocsin/classifier") in dead.headers


def test_a_record_without_anything_is_kept_too() -> None:
    dead = read(buried(record(0, WHERE, None, None)).value)
    assert (dead.key, dead.value, dead.headers, dead.feedback_id) == (None, None, (), None)


def test_a_copy_says_that_the_record_went_on() -> None:
    message = record(0, WHERE)
    assert letter("classifier", message, POISON, 7, copy=True).copy
    assert not letter("classifier", message, POISON, 7).copy
    assert read(sieve(metrics()).bury(message, POISON, 7, copy=True).value).copy


def test_replaying_gives_the_same_id_and_another_place_another() -> None:
    def id_of(offset: int, where: Partition) -> bytes:
        return dict(buried(record(offset, where)).headers)["ce_id"]

    assert id_of(4, WHERE) == id_of(4, WHERE)
    others = {id_of(4, WHERE), id_of(5, WHERE), id_of(4, Partition("feedback.received", 4))}
    assert len(others) == 3
    assert len(id_of(4, WHERE)) == 32


@pytest.mark.parametrize("size", [MAX_KEPT - 1_000, MAX_KEPT, MAX_KEPT + 1, 1_048_000])
def test_a_large_value_is_cut_to_what_fits_into_a_record(size: int) -> None:
    dead = buried(record(0, WHERE, b"\xff" * size))
    assert dead.value is not None
    assert len(dead.value) <= codec.MAX_RECORD_BYTES
    kept = read(dead.value).value
    assert kept is not None
    assert set(kept) == {0xFF}
    assert MAX_KEPT - 1_000 <= len(kept) <= MAX_KEPT


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (b"k", [("big", b"\xff" * 400_000)]),
        (b"\xff" * 400_000, []),
        (b"k", [("n" * 400_000, b"")]),
        (b"k", [(f"h{number}", b"v") for number in range(20_000)]),
    ],
    ids=["header", "key", "header name", "many headers"],
)
def test_large_keys_and_headers_never_stop_the_stream(
    key: bytes, headers: list[tuple[str, bytes]]
) -> None:
    """Kafka takes a megabyte in all; base64 makes it a third longer."""
    dead = buried(record(0, WHERE, b"x" * 600_000, key, headers))
    assert dead.value is not None
    assert len(dead.value) <= codec.MAX_RECORD_BYTES
    kept = read(dead.value)
    assert (kept.topic, kept.partition, kept.offset, kept.reason) == (*WHERE, 0, "bad_json")


def test_a_long_reason_is_cut() -> None:
    poison = Poison(PoisonReason.BAD_SCHEMA, "x" * 10_000)
    assert len(letter("classifier", record(0), poison, 7).detail) == 500


def test_an_odd_id_header_is_no_obstacle() -> None:
    message = record(0, WHERE, b"{", headers=[("ce_id", b"\xff\xfe")])
    assert read(buried(message).value).feedback_id == "\ufffd\ufffd"


def test_a_header_is_found_by_name() -> None:
    message = record(0, headers=[("a", b"1"), ("b", b"2"), ("a", b"3")])
    assert header(message, "a") == b"1"
    assert header(message, "b") == b"2"
    assert header(message, "c") is None
    assert header(record(0), "a") is None
