"""What makes two texts of one customer the same, or nearly the same.

A bottom-k sketch (Broder 1997; Cohen and Kaplan 2007): the ``_KEPT`` smallest hashes of a text's
shingles. Of two sketches follows the share of shingles that their texts have in common (Jaccard), for
texts with fewer shingles exactly, for others with a standard error of 0.07 at most. The shingles are the
words and the pairs of neighbouring words, where words are separated by spaces, else triples of
characters.
"""

from __future__ import annotations

import hashlib
import re
import string
import struct
import unicodedata
from zlib import crc32

import msgspec

from services.ingest.channels.normalise.scan import PLACEHOLDER

VERSION = "v2"
"""Of the recipe; fingerprints of different versions are never compared."""

MIN_LENGTH = 40
"""Code points below which a text has no sketch: "thank you" is no repeat of "thank you!"."""

MAX_LENGTH = 4_096
"""Of a longer text so much of its beginning makes the sketch."""

NEAR = 0.4
"""Share of common shingles from which on texts say the same in other words: rewritten ones have some
0.5, texts on the same subject 0.05."""

_KEPT = 48
_PACK = tuple(struct.Struct(f">{count}I") for count in range(_KEPT + 1))
_UNSPACED = 18  # bytes a word on average, above which words are not separated by spaces
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_LONG_NUMBER = re.compile(rb"[0-9]{5,}")
_OTHER_LONG_NUMBER = re.compile(r"\d{5,}")
_MARKS = string.punctuation.encode()
_PUNCTUATION = bytes.maketrans(_MARKS, b" " * len(_MARKS))
_OTHER_PUNCTUATION = "“”„«»‹›‚‘’—–¿¡、。「」『』・،؛؟।"


class Fingerprint(msgspec.Struct, frozen=True):
    """``exact``: equal for texts of the same words. ``sketch``: for ``similarity``, may be empty."""

    exact: str
    sketch: bytes = b""


def fingerprint(text: str) -> Fingerprint | None:
    """Return the fingerprint of a redacted text, None if it has no words."""
    words = _words(text)
    if not words:
        return None
    same = hashlib.blake2b(b" ".join(words), digest_size=16).hexdigest()
    return Fingerprint(f"{VERSION}:{same}", b"" if len(text) < MIN_LENGTH else _sketch(words))


def similarity(sketch: bytes, other: bytes) -> float:
    """Return the share of shingles that two texts have in common, 0 to 1; 0 without a sketch."""
    if not sketch or not other:
        return 0.0
    some, others = _hashes(sketch), _hashes(other)
    both = some & others
    if not both:
        return 0.0
    least = sorted(some | others)[:_KEPT]
    return len(both.intersection(least)) / len(least)


def _words(text: str) -> list[bytes]:
    """Without case, punctuation, long numbers, links and placeholders: what differs by chance."""
    if "[" in text:
        text = PLACEHOLDER.sub(" ", text)
    if "://" in text or "www." in text:
        text = _LINK.sub(" ", text)
    if text.isascii():
        raw = text.lower().encode().translate(_PUNCTUATION)
        return _LONG_NUMBER.sub(b" ", raw).split()
    text = unicodedata.normalize("NFKC", text).casefold()
    for mark in _OTHER_PUNCTUATION:  # a table for translate takes three times as long
        text = text.replace(mark, " ")
    text = _OTHER_LONG_NUMBER.sub(" ", text)
    return text.encode("utf-8", "replace").translate(_PUNCTUATION).split()


def _sketch(words: list[bytes]) -> bytes:
    run = b"".join(words)
    if len(run) > len(words) * _UNSPACED:
        points = run.decode()[:MAX_LENGTH].encode("utf-32-le")
        hashes = [crc32(points[at : at + 12]) for at in range(0, len(points) - 8, 4)]
    else:
        words = words[: MAX_LENGTH // 6]
        hashes = list(map(crc32, words))
        hashes += map(crc32, words[1:], hashes[:-1])  # of each word with the next one behind it
    least = sorted(set(hashes))[:_KEPT]
    return _PACK[len(least)].pack(*least)


def _hashes(sketch: bytes) -> set[int]:
    return set(_PACK[min(len(sketch) // 4, _KEPT)].unpack_from(sketch))
