"""Server-sent events, however they are cut into pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.collectors.sse import Decoder, Event

STREAM = (
    b':)\n:thump\nevent: update\ndata: {"id": 1}\n\n'
    b"event: delete\r\ndata:17\r\n\r\n\n\n"
    b"data: a\ndata:  b\nid: 3\nnonsense\n\n:thump\nevent: notification\n\ndata: z\n\nevent: la"
)
EVENTS = [
    Event("update", b'{"id": 1}'),
    Event("delete", b"17"),
    Event("message", b"a\n b"),
    Event("notification", b"z"),
]


def _fed(stream: bytes, cuts: list[int], max_event: int = 1_000) -> list[Event]:
    decoder = Decoder(max_event)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    return [event for piece in pieces for event in decoder.feed(piece)]


@given(st.lists(st.integers(0, 1_000)))
def test_where_it_is_cut_makes_no_difference(cuts: list[int]) -> None:
    assert _fed(STREAM, cuts) == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_are_bounded(stream: bytes, cuts: list[int]) -> None:
    events = _fed(stream, cuts, 20)
    assert events == _fed(stream, [], 20)
    assert all(len(event.data) <= 20 for event in events)


def test_what_is_too_large_is_cut_and_what_follows_is_not_touched() -> None:
    decoder = Decoder(10)
    line = b"data: " + b"x" * 50 + b"\n\n"
    many = b"data: 1234\n" * 20 + b"\n:" + b"z" * 50 + b"\n"
    found = [e for piece in (line, many, b"data: ok\n\n") for e in decoder.feed(piece)]
    assert found == [
        Event("message", b"xxxx", cut=True),
        Event("message", b"1234\n1234\n", cut=True),
        Event("message", b"ok"),
    ]
    for _ in range(1_000):
        assert not decoder.feed(b"y" * 1_000)
    assert len(decoder._line) == 10
