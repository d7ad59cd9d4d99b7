"""Columns and files: typed as they say, whole or not at all, and harmless to spreadsheets."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import types
import typing
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.record import writers
from services.record.rows import SHEETS, Type, What, row
from services.record.times import moment, rfc3339
from services.record.writers import FORMULA, Format, harmless, whole, writer
from shared import codec
from shared.errors import Misconfigured
from shared.events import (
    CaseEventKind,
    FollowUp,
    Rating,
    Reason,
    Struct,
)
from tests.unit.record.makers import T0, case, classified, event

SCALARS = {str: Type.TEXT, int: Type.WHOLE, float: Type.NUMBER, bool: Type.YES_NO}


def type_at(kind: object, path: str) -> Type:
    """Return the type of column that the annotations on ``path`` ask for."""
    for name in path.split("."):
        owner = typing.cast("type[Struct]", plain(kind))
        made = getattr(owner, name)
        hints = typing.get_type_hints(made.fget if isinstance(made, property) else owner)
        kind = hints["return" if isinstance(made, property) else name]
    found = plain(kind)
    if typing.get_origin(found) is tuple:
        return Type.LIST
    assert isinstance(found, type)
    if path.endswith("_at") or path.rpartition(".")[2] == "at":
        return Type.TIME
    return next(SCALARS[one] for one in (bool, int, float, str) if issubclass(found, one))


def plain(kind: object) -> object:
    """Return a type without ``| None``."""
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:
        [kind] = [one for one in typing.get_args(kind) if one is not types.NoneType]
    return kind


@pytest.mark.parametrize("what", What)
def test_every_column_is_typed_as_what_it_shows(what: What) -> None:
    sheet = SHEETS[what]
    kind = sheet.topic.carries[0]
    names = [column.name for column in sheet.columns]
    assert len(set(names)) == len(names)
    for column in sheet.columns:
        assert column.meaning.endswith(".")
        if column.path:
            assert (column.name, type_at(kind, column.path)) == (column.name, column.type)
    for path in (sheet.case, sheet.severity, sheet.channel, sheet.owner):
        assert not path or type_at(kind, path) is Type.TEXT
    assert type_at(kind, sheet.born) is Type.TIME


def cells(what: What, of: Struct) -> dict[str, object]:
    columns = SHEETS[what].columns
    return dict(zip([one.name for one in columns], row(columns, of), strict=True))


def test_a_row_holds_what_the_event_says_and_the_rest_as_json() -> None:
    follow_up = FollowUp(number=2, kind="confirm", due_at=T0)
    one = event(
        case(reasons=(Reason.SAFETY, Reason.LEGAL)),
        CaseEventKind.FOLLOW_UP_SCHEDULED,
        follow_up=follow_up,
        targets=("ada", "bo"),
        facts={"load": 3},
    )
    found = cells(What.EVENTS, one)
    assert found["kind"] == "followup.scheduled"
    assert found["targets"] == ["ada", "bo"]
    assert found["case_reasons"] == ["safety", "legal"]
    assert (found["follow_up_number"], found["follow_up_due_at"]) == (2, T0)
    assert found["actor"] is None
    assert json.loads(str(found["details"])) == {"facts": {"load": 3}}
    assert cells(What.EVENTS, event(case()))["details"] is None
    feedback = cells(What.FEEDBACK, classified("Bad", rating=Rating(value=2.0)))
    assert (feedback["rating"], feedback["text"], feedback["op"]) == (0.25, "Bad", "create")
    assert cells(What.CASES, case())["backfilled"] is False


def write(kind: Format, what: What, *events: Struct) -> bytes:
    file = io.BytesIO()
    to = writer(kind, file, SHEETS[what].columns)
    for one in events:
        to.write(codec.encode(one), one)
    to.close()
    return file.getvalue()


def rows_of_csv(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


@pytest.mark.parametrize("start", sorted(FORMULA))
def test_no_cell_of_a_csv_begins_like_a_formula(start: str) -> None:
    given = classified(f"{start}cmd|' /C calc'!A0", title=f"{start}1+1")
    [found] = rows_of_csv(write(Format.CSV, What.FEEDBACK, given))
    assert found["text"] == f"'{start}cmd|' /C calc'!A0"
    assert found["title"] == f"'{start}1+1"


def test_numbers_of_a_csv_stay_numbers() -> None:
    given = classified("ok")
    below = msgspec.structs.replace(given.classification, sentiment=-0.5)
    [found] = rows_of_csv(
        write(Format.CSV, What.FEEDBACK, msgspec.structs.replace(given, classification=below))
    )
    assert found["sentiment"] == "-0.5"
    assert found["received_at"] == "2025-06-15T15:06:40.000Z"
    assert found["occurred_at"] == ""


@given(st.text())
def test_a_text_is_kept_and_never_runs(text: str) -> None:
    safe = harmless(text)
    assert safe[:1] not in FORMULA or not safe
    for cell in re.split(r"[;\t\r\n]", safe)[1:]:
        assert cell.startswith("-)") or not re.match(r'[ "]*[=+\-@＝＋－＠]', cell)
    assert safe.replace("'", "") == text.replace("'", "")


def test_a_spreadsheet_that_parts_at_the_semicolon_runs_nothing_either() -> None:
    assert harmless("Hello;=1+1;  @x") == "Hello;'=1+1;'  @x"
    assert harmless('Hello\n"=1+1"') == 'Hello\n\'"=1+1"'
    assert harmless("Fine ;-) a;b - c = d") == "Fine ;-) a;b - c = d"


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_a_csv_reads_back_whatever_people_write(said: list[str]) -> None:
    found = rows_of_csv(write(Format.CSV, What.FEEDBACK, *map(classified, said)))
    assert [one["text"] for one in found] == [harmless(text) for text in said]


def test_json_lines_are_the_events_as_they_are() -> None:
    raw = b'{"type":"x",\r\n "later": [1, 2.50],\n "text": "a\\nb"}'
    file = io.BytesIO()
    to = writer(Format.JSONL, file, ())
    to.write(raw, case())
    to.write(b'{"a": 1}', case())
    to.close()
    assert file.getvalue() == b'{"type":"x","later":[1,2.50],"text":"a\\nb"}\n{"a": 1}\n'


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs the extra tocsin[export]")
def test_parquet_has_the_columns_and_types_that_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pyarrow.parquet  # type: ignore[import-untyped,unused-ignore]

    monkeypatch.setattr(writers, "GROUP_ROWS", 2)
    said = [classified(text, number=n) for n, text in enumerate(("=1+1", "b\n", "ç", "", "e"))]
    file = pyarrow.parquet.ParquetFile(io.BytesIO(write(Format.PARQUET, What.FEEDBACK, *said)))
    assert file.metadata.num_row_groups == 3
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert str(file.schema_arrow.field("received_at").type) == "timestamp[ms, tz=UTC]"
    table = file.read().to_pylist()
    assert [one["text"] for one in table] == ["=1+1", "b\n", "ç", "", "e"]
    assert table[0]["received_at"] == dt.datetime.fromtimestamp(T0 / 1000, dt.UTC)
    assert table[0]["reasons"] == []
    assert table[0]["occurred_at"] is None
    for what in What:  # without any row as well
        empty = pyarrow.parquet.read_table(io.BytesIO(write(Format.PARQUET, what)))
        assert empty.column_names == [column.name for column in SHEETS[what].columns]


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Misconfigured, match=r"pip install 'tocsin\[export\]'"):
        writer(Format.PARQUET, io.BytesIO(), ())


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    out, other = tmp_path / "out.csv", tmp_path / "other"
    other.write_bytes(b"mine")
    (tmp_path / f".out.csv.{os.getpid()}.part").symlink_to(other)
    with whole(out, force=False) as file:
        file.write(b"rows")
    assert (out.read_bytes(), other.read_bytes()) == (b"rows", b"mine")
    assert not out.is_symlink()


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(TypeError), whole(out, force=False) as file:
        file.writelines([b"half", "text"])  # type: ignore[list-item]
    assert list(tmp_path.iterdir()) == []
    with whole(out, force=False) as file:
        file.write(b"one")
        assert not out.exists()
    with pytest.raises(Misconfigured, match="--force"), whole(out, force=False):
        pytest.fail("it is there already")
    with pytest.raises(TypeError), whole(out, force=True) as file:
        file.writelines([b"half", "text"])  # type: ignore[list-item]
    assert out.read_bytes() == b"one"
    with whole(out, force=True) as file:
        file.write(b"two")
    assert out.read_bytes() == b"two"
    with (
        pytest.raises(Misconfigured, match="nowhere"),
        whole(tmp_path / "nowhere" / "x", force=True),
    ):
        pytest.fail("there is no such folder")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", T0 - 7 * 86_400_000),
        ("24h", T0 - 86_400_000),
        ("90s", T0 - 90_000),
        ("999999999w", 0),
        ("2025-06-15T15:06:40Z", T0),
        ("2025-06-15T17:06:40.250+02:00", T0 + 250),
        ("2025-06-15", 1_749_945_600_000),
    ],
)
def test_times_as_people_write_them(text: str, expected: int) -> None:
    assert moment(text, T0) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "yesterday", "2025-06-15T15:06:40", "7 d"])
def test_a_time_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        moment(text, T0)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_is_written(at: int) -> None:
    text = rfc3339(at)
    if text.endswith("Z"):
        assert moment(text, T0) == at
