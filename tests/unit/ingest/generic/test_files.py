"""Files piece by piece: bounded, whatever is in them."""

from __future__ import annotations

import gzip
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.files import CHUNK, SEPARATOR, Piece, Source, lines, messages, whole

MESSAGE = "From ada@example.com Mon Jan  5 10:00:00 2026\nFrom: ada@example.com\n\n{}\n\n"


def _lines(data: bytes, limit: int = 100) -> list[Piece]:
    return list(lines(io.BufferedReader(io.BytesIO(data)), limit))


def test_lines_are_numbered_as_an_editor_does() -> None:
    found = _lines(b"\xef\xbb\xbfone\r\n\n  \nfour")
    assert found == [Piece(1, b"one"), Piece(4, b"four")]


def test_a_line_that_is_too_long_is_cut_and_costs_only_itself() -> None:
    found = _lines(b"a" * 100 + b"\n" + b"b" * (3 * CHUNK) + b"\nc\n", 100)
    assert found == [Piece(1, b"a" * 100), Piece(2, b"b" * 100, cut=True), Piece(3, b"c")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_wide_text_is_read_by_its_mark(encoding: str) -> None:
    text = '{"text":"größer 🔥"}\n' * 3
    mark = "" if encoding == "utf-16" else "\ufeff"
    found = _lines((mark + text).encode(encoding))
    assert [piece.data.decode() for piece in found] == ['{"text":"größer 🔥"}'] * 3


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_give_lines_within_the_limit(data: bytes, limit: int) -> None:
    assert all(len(piece.data) <= limit for piece in _lines(data, limit))


def test_messages_of_an_mbox() -> None:
    text = (
        "junk before\n\n" + MESSAGE.format("one\n\nFrom now on\n>From me") + MESSAGE.format("two")
    )
    found = list(messages(io.BytesIO(text.encode()), 10_000))
    assert [piece.line for piece in found] == [4, 12]
    assert found[0].data == b"From: ada@example.com\n\none\n\nFrom now on\nFrom me\n\n"
    assert found[1].data.endswith(b"two\n\n")


def test_a_message_that_is_too_long_is_cut() -> None:
    text = MESSAGE.format("x" * 5_000_000) + MESSAGE.format("two")
    found = list(messages(io.BytesIO(text.encode()), 1_000))
    assert [piece.cut for piece in found] == [True, False]
    assert all(len(piece.data) <= 1_000 for piece in found)


@given(
    st.lists(st.sampled_from(["From a@b.c Mon Jan  5 10:00:00 2026\n", "\n", "x\n", ">From y\n"]))
)
def test_any_mbox_is_read_to_its_end(parts: list[str]) -> None:
    data = "".join(parts).encode()
    assert sum(len(piece.data) for piece in messages(io.BytesIO(data), 50)) <= len(data)


@pytest.mark.parametrize("repeated", [b"00:00 ", b"1234 ", b"x", b" "])
def test_a_hostile_line_takes_no_time(repeated: bytes) -> None:
    line = (b"From a " + repeated * (60_000 // len(repeated)))[:60_000] + b"\n"
    began = time.perf_counter()
    SEPARATOR.match(line)
    assert time.perf_counter() - began < 0.2
    short = line[:250] + b"\n"
    for each in (line, short):
        data = (each + b"\n") * (2_000_000 // len(each))
        began = time.perf_counter()
        assert sum(len(piece.data) for piece in messages(io.BytesIO(data), 10_000)) <= len(data)
        assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        (b"From ada@example.com Mon Jan  5 10:00:00 2026\n", True),
        (b"From ada@example.com Mon Jan  5 10:00 2026 +0100\n", True),
        (b"From ada@example.com Mon Jan  5 10:00:00 11:00 2026\n", True),
        (b"From 12:00 on it leaked.\n", False),
        (b"From ada in 2025 10:00\n", False),
    ],
)
def test_what_separates_messages(line: bytes, begins: bool) -> None:
    assert (SEPARATOR.match(line) is not None) == begins


def test_whole_files_are_bounded() -> None:
    assert list(whole(io.BytesIO(b"abc"), 3)) == [Piece(1, b"abc")]
    assert list(whole(io.BytesIO(b"abcd"), 3)) == [Piece(1, b"abc", cut=True)]


def test_gzip_is_recognised_and_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(200):
            file.write(b"0" * 1_000_000)
    with Source(path) as source:
        assert source.head().startswith(b"000")
        assert source.size < 300_000
        [piece] = lines(source.stream, 1_000)
        assert piece == Piece(1, b"0" * 1_000, cut=True)
        assert source.position() == source.size
