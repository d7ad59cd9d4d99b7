"""In which language a text is: what the platform says, else what CLD2 finds in it.

CLD2 fails on control characters and noncharacters, which ``text.clean`` has taken out by then.
"""

from __future__ import annotations

import re

import msgspec
import pycld2  # type: ignore[import-untyped] # a C extension without stubs

from services.ingest.channels.normalise.scan import PLACEHOLDER
from shared.events import LanguageSource

MAX_DETECTED = 400
"""Code points that are looked at; more do not change the answer."""

_ENOUGH_LETTERS = 20
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")
_LINK = re.compile(r"https?://\S+|www\.\S+")
_NONE = frozenset({"und", "zxx", "mul", "mis", "xx", "un", "auto"})
_RENAMED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}
_THREE_LETTERS = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it",
    "por": "pt", "nld": "nl", "dut": "nl", "pol": "pl", "rus": "ru", "ukr": "uk", "tur": "tr",
    "ara": "ar", "heb": "he", "zho": "zh", "chi": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko",
    "hin": "hi", "swe": "sv", "dan": "da", "nor": "no", "nob": "nb", "fin": "fi", "ces": "cs",
    "cze": "cs", "ell": "el", "gre": "el", "hun": "hu", "ron": "ro", "rum": "ro", "vie": "vi",
    "tha": "th", "ind": "id",
}  # fmt: skip
_NAMES: dict[str, str] = {name.lower().replace("_", " "): code for name, code in pycld2.LANGUAGES} | {
    "chinese": "zh", "mandarin": "zh", "cantonese": "yue", "castilian": "es", "flemish": "nl",
    "haitian": "ht", "haitian creole": "ht", "letzeburgesch": "lb", "moldavian": "ro",
    "moldovan": "ro", "panjabi": "pa", "pushto": "ps", "pashto": "ps", "sinhalese": "si",
    "valencian": "ca", "burmese": "my", "myanmar": "my", "javanese": "jv", "tagalog": "tl",
    "hebrew": "he", "norwegian": "no", "nynorsk": "nn", "scottish gaelic": "gd", "faroese": "fo",
    "hawaiian": "haw", "persian": "fa", "farsi": "fa",
}  # fmt: skip


class Language(msgspec.Struct, frozen=True):
    """A BCP 47 tag, who says so, and how sure a detection is (0 to 1)."""

    tag: str
    source: LanguageSource
    confidence: float | None = None


def language(text: str, hint: str | None = None) -> Language | None:
    """Return the language of a cleaned text: by the platform's ``hint`` if it is one, else detected.

    None: too short or too mixed to tell.
    """
    if hint is not None and (tag := tag_of(hint)) is not None:
        return Language(tag, LanguageSource.PROVIDER)
    return _detected(text)


def tag_of(hint: str) -> str | None:
    """Return ``hint`` as a tag in its usual spelling: "PT_br" → "pt-BR", "english" → "en"."""
    hint = hint.strip().replace("_", "-")
    if name := _NAMES.get(hint.lower().replace("-", " ")):
        return _RENAMED.get(name, name)
    if not _TAG.fullmatch(hint):
        return None
    primary, *rest = hint.split("-")
    primary = primary.lower()
    primary = _RENAMED.get(primary, _THREE_LETTERS.get(primary, primary))
    if primary in _NONE:
        return None
    return "-".join([primary, *map(_subtag, rest)])


def _subtag(subtag: str) -> str:
    if len(subtag) == 2 and subtag.isalpha():
        return subtag.upper()
    return subtag.title() if len(subtag) == 4 and subtag.isalpha() else subtag.lower()


def _detected(text: str) -> Language | None:
    text = text[:MAX_DETECTED]
    if "[" in text:
        text = PLACEHOLDER.sub(" ", text)
    if "://" in text or "www." in text:
        text = _LINK.sub(" ", text)
    try:
        reliable, _, found = pycld2.detect(text, isPlainText=True)
    except (pycld2.error, ValueError):  # ValueError: a lone surrogate
        return None
    _, code, percent, _ = found[0]
    if code == "un" or code.startswith("xx"):
        return None
    if not reliable and not _has_letters(text):
        return None
    confidence = percent / 100 if reliable else percent / 200
    return Language(_RENAMED.get(code, code), LanguageSource.DETECTED, confidence)


def _has_letters(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _ENOUGH_LETTERS
