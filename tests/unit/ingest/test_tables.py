"""Tables: encodings, delimiters, quotes, headers, cells; and what a bad row costs."""

from __future__ import annotations

import csv
import io
import itertools
import tracemalloc
from typing import BinaryIO, cast

import pytest

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.table_lines import MAX_ROW_BYTES
from services.ingest.channels.tables import FIELDS, OPTIONS, Row, columns, read_rows
from shared.errors import Misconfigured
from shared.events import Channel, Medium, Rating, TimeQuality


def _rows(
    table: str | bytes, *mapping: str, region: str | None = None, **options: str
) -> list[Row]:
    assert options.keys() <= OPTIONS.keys()
    body = table.encode() if isinstance(table, str) else table
    settings = Settings(name="import", options=options, region=region)
    return list(read_rows(io.BytesIO(body), columns(mapping), settings))


def _items(table: str | bytes, *mapping: str, **options: str) -> list[Item]:
    rows = _rows(table, *mapping, **options)
    assert not [row.unfit for row in rows if row.unfit]
    return [row.item for row in rows if row.item]


def _item(table: str | bytes, *mapping: str, **options: str) -> Item:
    (item,) = _items(table, *mapping, **options)
    return item


def _outcomes(rows: list[Row]) -> list[tuple[int, str]]:
    return [
        (row.line, row.item.text if row.item else str(row.unfit and row.unfit.reason))
        for row in rows
    ]


def test_a_whole_row() -> None:
    item = _item(
        "Review ID,Title,Review,Rating,Created at,Reviewer,E-Mail,Country,Lang,Link,Order ID\r\n"
        '77,"Late, again",It came on Friday.,2,2026-02-03T10:00:00Z,Ada,ada@example.com,GBR,en_GB,'
        "https://example.com/r/77,O-1\r\n"
    )
    assert item == Item(
        native_id="77",
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        title="Late, again",
        text="Late, again\n\nIt came on Friday.",
        author="ada@example.com",
        display_name="Ada",
        country="GB",
        language="en-GB",
        url="https://example.com/r/77",
        occurred_at=1_770_112_800_000,
        time_quality=TimeQuality.EXACT,
        rating=Rating(value=2),
        product=item.product,
    )
    assert item.product is not None
    assert item.product.order_ref == "O-1"


@pytest.mark.parametrize(
    "header",
    [
        "Bewertung;Kommentar", "note;commentaire", "Puntuación;Reseña", "valutazione;testo",
        "avaliação;comentário", "Sterren;Opmerking", "Ocena;Treść", "оценка;отзыв", "評価;本文",
        "评分;评论",
    ],
)  # fmt: skip
def test_headers_of_many_languages(header: str) -> None:
    item = _item(f"{header}\n3;schön … 好\n")
    assert (item.text, item.rating) == ("schön … 好", Rating(value=3))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(delimiter: str) -> None:
    table = f'id{delimiter}text{delimiter}stars\n1{delimiter}"a{delimiter}b"{delimiter}4\n'
    item = _item(table)
    assert (item.native_id, item.text, item.rating) == ("1", f"a{delimiter}b", Rating(value=4))


def test_a_colon_or_space_is_no_delimiter() -> None:
    assert _item("Text of it: all\nHello: you, there; now\n", "text=Text of it: all").text == (
        "Hello: you, there; now"
    )


def test_delimiters_that_are_said() -> None:
    assert _item("sep=:\nid:text\n1:a,b\n").text == "a,b"
    assert _item("id^text\n1^a,b\n", delimiter="^").text == "a,b"
    assert _item("a,b;c\tid\ttext\n0\t1\tx\n", delimiter="tab").text == "x"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-be-mark", "shift_jis"]
)
def test_encodings(encoding: str) -> None:
    word = "遅い" if encoding == "shift_jis" else "Tür – 5 €"
    table = f"id;text\r\n1;{word}\r\n2;b\r\n"
    said = "shift_jis" if encoding == "shift_jis" else ""
    if encoding == "utf-16-be-mark":
        body = b"\xfe\xff" + table.encode("utf-16-be")
    else:
        body = table.encode(encoding)
    assert [item.text for item in _items(body, encoding=said)] == [word, "b"]


def test_one_bad_byte_costs_no_other_row_its_umlauts() -> None:
    body = "id;text\n1;Tür\n".encode() + b"2;T\xfcr\n3;\x81\n"
    assert [item.text for item in _items(body)] == ["Tür", "Tür", "\ufffd"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    table = end.join(["id,text", "1,a", "", "2,b"])
    assert _outcomes(_rows(table)) == [(2, "a"), (4, "b")]


def test_a_cell_of_several_lines_and_the_numbers_of_the_lines() -> None:
    table = 'id,text\n1,"one\n\ntwo ""quoted"""\n2,three\n'
    assert _outcomes(_rows(table)) == [(2, 'one\n\ntwo "quoted"'), (5, "three")]


def test_a_stray_quote_costs_one_row() -> None:
    table = 'id,text\n1,"never closed\n' + "".join(f"{n},fine {n}\n" for n in range(2, 9_000))
    rows = _rows(table)
    assert len(rows) == 8_999
    assert _outcomes(rows)[:2] == [(2, "bad_value"), (3, "fine 2")]
    assert all(row.item for row in rows[1:])
    assert rows[0].unfit is not None
    assert rows[0].unfit.payload == b'1,"never closed\n'
    assert rows[0].unfit.detail.startswith("line 2: ")


def test_a_stray_quote_that_closes_many_rows_later_costs_one_row() -> None:
    table = 'id,text\n1,"bad\n2,fine\n3,"good, really"\n4,fine\n'
    assert _outcomes(_rows(table)) == [
        (2, "bad_value"), (3, "fine"), (4, "good, really"), (5, "fine"),
    ]  # fmt: skip
    closes_well = 'id,text\n1,"bad\n2,fine\n3,x",y,z\n4,fine\n'
    assert [line for line, _ in _outcomes(_rows(closes_well))] == [2, 3, 4, 5]
    assert _outcomes(_rows(closes_well))[1] == (3, "fine")


def test_quotes_inside_of_a_cell_are_text() -> None:
    table = 'id,text\n1,a 5" disk\n2,"so-called" help\n3,""\n4,""""\n'
    assert _outcomes(_rows(table)) == [
        (2, 'a 5" disk'), (3, "so-called help"), (4, "empty_text"), (5, '"'),
    ]  # fmt: skip


def test_rows_that_are_too_long() -> None:
    giant = "x" * (MAX_ROW_BYTES + 1)
    many_lines = '2,"' + "y\n" * MAX_ROW_BYTES
    rows = _rows(f"id,text\n1,{giant}\n3,fine\n{many_lines}")
    assert _outcomes(rows)[:2] == [(2, "bad_value"), (3, "fine")]
    assert rows[2].unfit is not None
    assert all(len(row.unfit.payload) <= MAX_ROW_BYTES for row in rows if row.unfit)


def test_the_limit_of_the_standard_library_is_left_alone() -> None:
    before = csv.field_size_limit()
    longest = "x" * before
    rows = _rows(f'id,text\n1,{longest}\n2,{longest}y\n3,"{longest}y"\n4,fine\n')
    assert [line for line, _ in _outcomes(rows)] == [2, 3, 4, 5]
    assert [row.item is not None for row in rows] == [True, False, False, True]
    assert csv.field_size_limit() == before


def test_formulas_are_text() -> None:
    formulas = ["=1+1", "+49 30", "@SUM(A1)", "-2", "=HYPERLINK(evil)", "\t=x"]
    table = "text;id\n" + "".join(f"{formula};{n}\n" for n, formula in enumerate(formulas))
    assert [item.text for item in _items(table)] == [formula.strip() for formula in formulas]


@pytest.mark.parametrize(
    ("cell", "rating"),
    [
        ("4/5", Rating(value=4)),
        ("★★★★☆", Rating(value=4)),
        ("FIVE", Rating(value=5)),
        ('"4,5"', Rating(value=4.5)),
        ("7/10", Rating(value=7, min=0, max=10)),
        ("-", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_ratings(cell: str, rating: Rating | None) -> None:
    item = _item(f"text,rating\nok,{cell}\n")
    assert (item.rating, item.attributes) == (rating, {})


def test_a_rating_that_cannot_be_read_costs_no_text() -> None:
    rows = _rows("text,rating\nslow,quite bad\n,quite bad\n,9\n,1\n")
    assert _outcomes(rows) == [(2, "slow"), (3, "empty_text"), (4, "empty_text"), (5, "")]
    assert rows[0].item is not None
    assert rows[0].item.attributes == {"rating_stated": "quite bad"}


def test_another_scale() -> None:
    item = _item("nps,comment\n9,ok\n", rating_min="0", rating_max="10")
    assert item.rating == Rating(value=9, min=0, max=10)


@pytest.mark.parametrize(
    ("cell", "region", "order", "at", "quality"),
    [
        ("2026-02-03", None, "", 1_770_076_800_000, TimeQuality.DATE_ONLY),
        ("2026-02-03 10:00:00", None, "", 1_770_112_800_000, TimeQuality.ASSUMED_UTC),
        ("1770112800000", None, "", 1_770_112_800_000, TimeQuality.EXACT),
        ("03.02.2026", None, "", 1_770_076_800_000, TimeQuality.DATE_ONLY),
        ("3.2.26 10:00", None, "", 1_770_112_800_000, TimeQuality.ASSUMED_UTC),
        ("2/13/2026", None, "", 1_770_940_800_000, TimeQuality.DATE_ONLY),
        ("13/2/2026", None, "", 1_770_940_800_000, TimeQuality.DATE_ONLY),
        ("2/3/2026 10:00 PM", "US", "", 1_770_156_000_000, TimeQuality.ASSUMED_UTC),
        ("3/2/2026", "GB", "", 1_770_076_800_000, TimeQuality.DATE_ONLY),
        ("3/2/2026", "US", "dmy", 1_770_076_800_000, TimeQuality.DATE_ONLY),
        ("3/2/2026", None, "", None, None),
        ("31/31/2026", None, "", None, None),
        ("0000-00-00", None, "", None, None),
        ("3/2/2026 25:61", None, "dmy", None, None),
        ("soon", None, "", None, None),
    ],
)
def test_dates(
    cell: str, region: str | None, order: str, at: int | None, quality: TimeQuality | None
) -> None:
    (row,) = _rows(f"text,date\nok,{cell}\n", region=region, date_order=order)
    assert row.item is not None
    assert (row.item.occurred_at, row.item.time_quality) == (at, quality)
    assert row.item.attributes == ({} if at else {"date_stated": cell})


def test_columns_that_are_said_come_before_guesses() -> None:
    table = "id,comment,answer,plan,email\n1,guessed,said,gold,a@example.com\n"
    item = _item(table, "text=Answer", "attributes.plan=plan", "author=")
    assert (item.text, item.attributes, item.author) == ("said", {"plan": "gold"}, None)
    assert _item(table).attributes == {}


@pytest.mark.parametrize("assignment", ["text", "colour=Red", "attributes.=x", "=x", ""])
def test_assignments_that_are_none(assignment: str) -> None:
    with pytest.raises(ValueError, match=r"FIELD=COLUMN|no field"):
        columns([assignment])


def test_every_field_can_be_said() -> None:
    assert columns(f"{field}=x=y" for field in FIELDS) == dict.fromkeys(FIELDS, "x=y")


@pytest.mark.parametrize(
    ("table", "mapping", "reason"),
    [
        ("", [], Refusal.EMPTY),
        ("\n\n  \n", [], Refusal.EMPTY),
        ("\ufeff", [], Refusal.EMPTY),
        ("foo,bar\n1,2\n", [], Refusal.MISSING_FIELD),
        ("id,text\n1,2\n", ["text=Body"], Refusal.MISSING_FIELD),
        ('"id,text\n1,2\n', [], Refusal.BAD_VALUE),
        ("x" * (MAX_ROW_BYTES + 9), [], Refusal.BAD_VALUE),
        ("\0" * 99, [], Refusal.MISSING_FIELD),
    ],
)
def test_no_table(table: str, mapping: list[str], reason: Refusal) -> None:
    with pytest.raises(Rejected) as caught:
        _rows(table, *mapping)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "klingon"},
        {"encoding": "hex"},
        {"channel": "pigeon"},
        {"rating_max": "many"},
        {"date_order": "ymd"},
        {"delimiter": "||"},
        {"delimiter": '"'},
    ],
)
def test_options_that_make_no_sense(options: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        _rows("id,text\n1,2\n", **options)


def test_cells_that_are_too_many_or_too_few() -> None:
    table = "id,text,lang\n1,a,en,\n2,a,en,x\n3,a\n4\n,,\n"
    assert _outcomes(_rows(table)) == [(2, "a"), (3, "bad_value"), (4, "a"), (5, "empty_text")]


def test_without_an_id_the_words_tell() -> None:
    first = _items("text,date\na,2026-01-01\nb,2026-01-01\n")
    later = _items("text,date,other\nc,2026-01-02,1\nb,2026-01-01,2\na,2026-01-01,3\n")
    assert len({item.native_id for item in later}) == 3
    assert [item.native_id for item in first] == [later[2].native_id, later[1].native_id]


def test_an_anonymous_reviewer_has_no_name() -> None:
    assert _item("text,reviewer\nok,A Google user\n").display_name is None


class _Endless:
    """A table that never ends."""

    def __init__(self, row: bytes) -> None:
        self._row = row
        self._head = b"id,text\n"

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        return head + self._row * (size // len(self._row))


@pytest.mark.parametrize("row", [b"1,fine\n", b'1,"\n', b'a","b\n', b"xxxxxxxxxxxxxxx,"])
def test_memory_is_constant(row: bytes) -> None:
    stream = cast("BinaryIO", _Endless(row))
    rows = read_rows(stream, {}, Settings(name="import"))
    if row.endswith(b","):  # one line for ever: nothing comes, but nothing piles up either
        stream = io.BytesIO(b"id,text\n" + row * 1_000_000 + b"\n1,fine\n")
        assert _outcomes(list(read_rows(stream, {}, Settings(name="import")))) == [
            (2, "bad_value"), (3, "fine"),
        ]  # fmt: skip
        return
    tracemalloc.start()
    try:
        assert sum(1 for _ in itertools.islice(rows, 20_000)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
