"""Whatever bytes a table has: every row is an item or says why not, and what was written comes back."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.table_lines import Records, lines
from services.ingest.channels.tables import Row, read_rows

SETTINGS = Settings(name="import")
HEADERS = [b"", b"id,text,rating\n", b"text\n", b"\xff\xfei\x00d\x00\n\x00", b"sep=;\nid;text\n"]
pieces = st.sampled_from(
    [
        b'"',
        b'""',
        b",",
        b";",
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b"a",
        b"5",
        b"\xff",
        b"\x00",
        b"=",
        b" ",
    ]
)
tables = st.builds(
    lambda header, parts: header + b"".join(parts),
    st.sampled_from(HEADERS),
    st.lists(pieces | st.binary(max_size=6), max_size=60),
)


def _rows(table: bytes) -> list[Row]:
    return list(read_rows(io.BytesIO(table), {}, SETTINGS))


@given(tables)
@example(b'id,text\n"\n"\n"')
@example(b'a","b\n' * 5)
def test_any_bytes_give_rows_or_a_refusal(table: bytes) -> None:
    try:
        rows = _rows(table)
    except Rejected:
        return
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))
    for row in rows:
        assert (row.item is None) != (row.unfit is None)
        assert row.item is None or row.item.native_id
        assert row.unfit is None or f"line {row.line}: " in row.unfit.detail


@given(tables, st.sampled_from([",", ";"]))
def test_no_byte_is_lost(table: bytes, delimiter: str) -> None:
    """Records are the lines in their order; only a byte order mark and old line ends are replaced."""
    given_lines = list(lines(io.BytesIO(table)))
    records = list(Records(iter(given_lines), delimiter))
    assert b"".join(record.raw for record in records) == b"".join(line.raw for line in given_lines)


cells = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), max_size=12
).map(str.strip)


@given(
    st.lists(st.tuples(st.integers(1, 10**9), cells.filter(bool)), max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_comes_back(
    rows: list[tuple[int, str]], delimiter: str, end: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(["id", "text"])
    writer.writerows(rows)
    found = _rows(out.getvalue().encode(encoding))
    assert [(row.item.native_id, row.item.text) for row in found if row.item] == [
        (str(number), text) for number, text in rows
    ]
