"""How the lint finds words: patterns of a language over text that is folded letter by letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Final, NamedTuple

import msgspec

from services.notifier.customers.texts import Wrong, read_all

_SAME: Final = str.maketrans({
    "’": "'", "‘": "'", "ʼ": "'", "`": "'",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي",
})  # fmt: skip
"""Letters that people write for one another; one for one, so that places stay."""

_SILENT: Final = re.compile(
    "[\u064b-\u0652\u0640\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
"""Arabic vowel signs and tatweel, soft hyphens, zero widths and marks of direction."""

_GAP: Final = r"[^.!?؟。！？\n]{0,60}?"


class Span(NamedTuple):
    """From where to where something stands in a text, in code points."""

    start: int
    end: int


class Folded(NamedTuple):
    """A text as the patterns read it; ``places`` tells where each letter stood, and the end."""

    text: str
    places: tuple[int, ...]

    def span(self, found: re.Match[str]) -> Span:
        """Return where a match stands in the text before it was folded."""
        return Span(self.places[found.start()], self.places[found.end() - 1] + 1)


def fold(text: str) -> Folded:
    """Return ``text`` (NFC) with one letter for those that mean the same, without silent signs."""
    kept = [(place, letter) for place, letter in enumerate(text) if not _SILENT.match(letter)]
    letters = "".join(letter for _, letter in kept).translate(_SAME)
    return Folded(letters, (*(place for place, _ in kept), len(text)))


def plain(text: str) -> str:
    """Return ``text`` folded, in one case and with single spaces, to look for it in another."""
    return " ".join(fold(unicodedata.normalize("NFC", text)).text.casefold().split())


class ToneFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The patterns of a language: regular expressions, in which ``…`` stands for a part of a sentence.

    ``words`` false: the script has no spaces, so that a pattern may begin and end anywhere.
    ``apology``, ``next_step``, ``concrete_time`` and ``concern`` are what a message must have; the
    others are what it must not say, ``vague_time`` not alone.
    """

    language: str
    apology: tuple[str, ...]
    conditional_apology: tuple[str, ...]
    blame: tuple[str, ...]
    sarcasm: tuple[str, ...]
    next_step: tuple[str, ...]
    vague_time: tuple[str, ...]
    concrete_time: tuple[str, ...]
    concern: tuple[str, ...]
    words: bool = True


class Tone(NamedTuple):
    """The compiled patterns of a language, by the names of ``ToneFile``."""

    patterns: Mapping[str, re.Pattern[str]]

    def find(self, name: str, folded: Folded) -> Iterator[re.Match[str]]:
        """Yield the places that a group of patterns finds."""
        return self.patterns[name].finditer(folded.text)


def load(names: Mapping[str, tuple[str, ...]]) -> Mapping[str, Tone]:
    """Read the packaged patterns by language; ``names`` are the months and days that make a date.

    Raises:
        Misconfigured: a file is wrong.
    """
    return {
        one.language: _compiled(one, names.get(one.language, ()))
        for one in read_all("tone", ToneFile, _check)
    }


def _compiled(file: ToneFile, names: tuple[str, ...]) -> Tone:
    groups = {name: getattr(file, name) for name in GROUPS}
    if file.words:
        groups["concrete_time"] += tuple(re.escape(name) for name in names)
    return Tone({name: _any_of(group, words=file.words) for name, group in groups.items()})


GROUPS: Final = tuple(
    name for name in ToneFile.__struct_fields__ if name not in {"language", "words"}
)


def _any_of(group: tuple[str, ...], *, words: bool) -> re.Pattern[str]:
    alternatives = "|".join(f"(?:{_written(one)})" for one in group)
    whole = rf"(?<!\w)(?:{alternatives})(?!\w)" if words else alternatives
    return re.compile(whole, re.IGNORECASE | re.MULTILINE)


def _written(pattern: str) -> str:
    spaced = reduce(lambda text, pair: text.replace(*pair), (("…", _GAP), (" ", r"\s+")), pattern)
    return spaced.translate(_SAME)


def _check(file: ToneFile) -> Iterator[Wrong]:
    for name in GROUPS:
        for number, pattern in enumerate(getattr(file, name)):
            try:
                re.compile(_written(pattern))
            except re.error as error:
                yield (name, number), str(error)
