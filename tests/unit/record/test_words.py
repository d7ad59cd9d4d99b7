"""Words and queries: every script is found, and nothing that people type is a wrong query."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.record.words import TOKENIZER, indexed, parse, shown

TEXTS = (
    "The refund for my café order never came.",
    "Der Kühlschrank brummt, und niemand antwortet.",
    "返金してください。アプリが落ちます",
    "我要求退款，客服没有回复",
    "ขอเงินคืนด้วยครับ",
    "मुझे हिन्दी में धनवापसी चाहिए",
    "환불해 주세요",
)


@pytest.fixture(scope="module")
def store() -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(":memory:") as made:
        made.execute(f'CREATE VIRTUAL TABLE word USING fts5(words, tokenize="{TOKENIZER}")')
        made.executemany("INSERT INTO word VALUES(?)", [(indexed(text),) for text in TEXTS])
        yield made
    made.close()


def find(store: sqlite3.Connection, text: str) -> list[int]:
    query = parse(text)
    if query is None:
        return []
    match = "SELECT rowid - 1 FROM word WHERE word MATCH ? ORDER BY rowid"
    return [number for (number,) in store.execute(match, (query.expression,))]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("refund", [0]),
        ("REFUND café", [0]),
        ("cafe", [0]),
        ("cafe\u0301", [0]),
        ("refund kühlschrank", []),
        ('"my cafe"', [0]),
        ('"cafe my"', []),
        ("kuhl*", [1]),
        ("kuhl", []),
        ("kuhlschrank -niemand", []),
        ("kuhlschrank -refund", [1]),
        ('refund -"never again"', [0]),
        ('refund -"never came"', []),
        ("返金", [2]),
        ("金返", []),
        ("アプリ", [2]),
        ("アフリ", []),
        ("退款", [3]),
        ("款", [3]),
        ("退款 客服", [3]),
        ("เงินคืน", [4]),
        ("คืน", [4]),
        ("हिन्दी", [5]),
        ("हिन्द", []),
        ("환불", [6]),
        ("ｒｅｆｕｎｄ", [0]),
        ("(refund OR", []),
        ("refund)", [0]),
        ("words:refund", []),
        ("refund ... !", [0]),
        ('"unfinished', []),
        ("-refund", []),
        ("", []),
    ],
)
def test_what_is_typed_finds_what_is_meant(
    store: sqlite3.Connection, typed: str, expected: list[int]
) -> None:
    assert find(store, typed) == expected


@given(st.text(max_size=60))
@example('"')
@example("-")
@example("*")
@example('-"*"*')
@example("a\x00b")
@example("NEAR(a b, 5) AND OR NOT ^x {words}: + - *")
@example("\ud800")
@example("𠮷野家* -\U0001f600")
@example(" ".join(["word"] * 3000))
@example(" ".join(["word", *["-no"] * 3000]))
@example("返" * 3000)
def test_nothing_that_is_typed_is_a_wrong_query(store: sqlite3.Connection, typed: str) -> None:
    find(store, typed)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12))
def test_a_text_is_found_by_all_of_its_words(typed: str) -> None:
    """Also those of letters that the tokenizer does not know: they are passed over on both sides."""
    with sqlite3.connect(":memory:") as made:
        made.execute(f'CREATE VIRTUAL TABLE word USING fts5(words, tokenize="{TOKENIZER}")')
        made.execute("INSERT INTO word VALUES(?)", (indexed(f"something {typed} more"),))
        assert find(made, f"something {typed}") == [0]
    made.close()


@given(st.text())
def test_a_stored_text_has_nothing_that_steers_a_terminal(text: str) -> None:
    assert not any(one < " " or "\x7f" <= one < "\xa0" for one in shown(indexed(text)))
    assert indexed(shown(indexed(text))) == indexed(text)
