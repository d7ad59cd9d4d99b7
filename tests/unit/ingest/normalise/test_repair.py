"""Text that was read with the wrong charset."""

from __future__ import annotations

import time

import pytest

from services.ingest.channels.normalise.repair import clean_and_repaired, repair
from services.ingest.channels.text import MAX_TEXT

GOOD = (
    "für Käufer in Zürich",
    "l’été à Nîmes coûte 5 €",
    "¿Cuánto cuesta? Él salió «ayer»…",
    "Ärger über Öl",
    "Ação e reação",
    "Größe: 5 × 3",
    "Привет, как дела?",
    "価格は高い",
    "crème brûlée ™ 20°",
    "🥶 è così",
)


@pytest.mark.parametrize("text", GOOD)
def test_good_text_stays(text: str) -> None:
    assert repair(text) == text
    assert clean_and_repaired(text) == text


@pytest.mark.parametrize("charset", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text", ["für Käufer in Zürich", "l’été à Nîmes coûte 5 €", "Größe – klein"]
)
def test_garbled_text_is_mended(text: str, charset: str) -> None:
    garbled = text.encode().decode(charset, "replace")
    assert clean_and_repaired(garbled) == text


def test_twice_garbled_text_is_mended() -> None:
    garbled = "für dich".encode().decode("latin-1").encode().decode("latin-1")
    assert clean_and_repaired(garbled) == "für dich"


def test_control_characters_are_read_before_they_are_taken_out() -> None:
    assert clean_and_repaired("Stra\u00c3\u009fe") == "Straße"
    assert clean_and_repaired("\x00Hi\x85 there\x07") == "Hi there"


@pytest.mark.parametrize(
    "text",
    ["â\x80\x08\x91", "Ã\x85¼", "Ã\u00a0 b", "Â Â ", "é»ab", "Ã\x00¼", "\ufdd0Ã¼\ud800", "â€"],
)
def test_mending_twice_changes_nothing(text: str) -> None:
    once = clean_and_repaired(text)
    assert clean_and_repaired(once) == once


def test_the_limit_holds() -> None:
    assert clean_and_repaired("Ã¼" * 50, 10) == "ü" * 10
    assert clean_and_repaired("a" * 50, 10) == "a" * 10


@pytest.mark.parametrize("garbled", ["Ð¿Ñ", "Ã¼", "â€™", "Ãƒ", "fÃ¼r 🥶 ", "Ã\x85¼"])
def test_a_flood_takes_bounded_time(garbled: str) -> None:
    started = time.monotonic()
    clean_and_repaired((garbled * MAX_TEXT)[:MAX_TEXT])
    assert time.monotonic() - started < 2.0
