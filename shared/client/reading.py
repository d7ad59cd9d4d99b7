"""Bytes to typed events, also those of a product that is newer than this client.

A type or version that is not known is skipped. A word that an enum does not know is left out where
the field may be left out; an event that cannot do without it is skipped. Anything else that does
not fit is poison.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from shared.codec import Decoder
from shared.errors import Poison, PoisonReason
from shared.events import CaseEvent, Insight, ReplyDue, Struct
from shared.topics import Topic

E = TypeVar("E", bound=Struct)
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_UNKNOWN = {PoisonReason.UNKNOWN_TYPE, PoisonReason.UNKNOWN_VERSION}
_ENUM = re.compile(
    r"Invalid enum value (?P<word>'.*'|-?\d+)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL
)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?:\.\.\.|\d+)\]")
_MOST = 50


class Unknown(Exception):
    """An event that this client does not know yet: to be passed over."""


@dataclass(frozen=True)
class Read(Generic[E]):
    """An event, and the words that were left out of it (``.case.reasons[...] 'recall'``)."""

    event: E
    left_out: tuple[str, ...] = ()


class Reader(Generic[E]):
    """Decodes the values of some topics."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        kinds = dict.fromkeys(kind for topic in topics for kind in topic.carries)
        self._decoder: Decoder[E] = Decoder(kinds)

    def read(self, raw: bytes | None) -> Read[E]:
        """Return the event in ``raw``.

        Raises:
            Unknown: a later product wrote it.
            Poison: it can never be read.
        """
        left_out: list[str] = []
        while True:
            try:
                return Read(self._decoder.decode(raw), tuple(left_out))
            except Poison as poison:
                if poison.reason in _UNKNOWN:
                    raise Unknown(poison.detail) from poison
                found = _ENUM.search(poison.detail)
                if raw and found and len(left_out) < _MOST:
                    left_out.append(f"{found['path'] or ''} {found['word']}")
                    raw = _without(raw, found["path"] or "", found["word"].strip("'"))
                elif left_out:  # what is left does not stand without them
                    raise Unknown("; ".join(left_out)) from poison
                else:
                    raise


def _without(raw: bytes, path: str, word: str) -> bytes:
    """Return ``raw`` without ``word`` at ``path``, in each element where a list is on the way."""
    value: Json = msgspec.json.decode(raw)
    steps = [match["key"] for match in _STEP.finditer(path)]
    if steps:
        _prune(value, steps, word)
    return msgspec.json.encode(value)


def _prune(value: Json, steps: Sequence[str | None], word: str) -> None:
    step, rest = steps[0], steps[1:]
    if isinstance(value, list):
        if rest:
            for element in value:
                _prune(element, rest, word)
        else:
            value[:] = [element for element in value if element != word]
    elif isinstance(value, dict) and step is not None and step in value:
        if rest:
            _prune(value[step], rest, word)
        elif value[step] == word:
            del value[step]


def event_id(event: Struct) -> str:
    """Return the id of an event of the downstream topics, "" of any other."""
    match event:
        case CaseEvent():
            return event.event_id
        case ReplyDue():
            return event.reply_id
        case Insight():
            return event.insight_id
    return ""
