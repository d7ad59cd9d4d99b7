"""Captions (WebVTT, SubRip) → turns. Speakers: voice tags, or a label in front of the words."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from io import StringIO
from typing import Literal

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from services.ingest.channels.phone.speakers import is_label, role
from services.ingest.channels.phone.transcript import bounded
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Role, Turn

MAX_CHARS = 2_000_000
_MAX_LABEL = 40
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")
_TAG = re.compile(r"<[^<>]*>")


def turns(captions: str, kind: Literal["vtt", "srt"]) -> Iterator[Turn]:
    """Yield the turns of captions.

    Raises:
        Rejected: they are too long or not what they are said to be.
    """
    if len(captions) > MAX_CHARS:
        raise Rejected(Refusal.TOO_LARGE, f"{kind}: more than {MAX_CHARS} characters")
    try:
        read = webvtt.from_buffer(StringIO(captions.lstrip("\ufeff")), format=kind)
    except (MalformedFileError, MalformedCaptionError, ValueError) as error:
        raise Rejected(Refusal.BAD_VALUE, f"{kind}: {error}") from error
    for caption in read.captions:
        for speaker, text in _voices(caption.raw_text):
            yield Turn(
                speaker=speaker,
                text=text,
                start_ms=bounded(caption.start_time.in_milliseconds()),
                end_ms=bounded(caption.end_time.in_milliseconds()),
            )


def _voices(text: str) -> Iterator[tuple[Role, str]]:
    """Yield who says what in one caption: several may, each after a tag ``<v Name>``."""
    before, *rest = _VOICE.split(text)
    if said := _plain(before):
        yield _labelled(said)
    for name, words in zip(rest[::2], rest[1::2], strict=True):
        yield role(name.strip()), _plain(words)


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).strip()


def _labelled(text: str) -> tuple[Role, str]:
    """Split ``Agent: Hello`` and ``[SPEAKER_00]: Hello``; a colon in speech splits nothing."""
    head, colon, rest = text.partition(":")
    label = head.strip().removeprefix("[").removesuffix("]")
    if colon and len(head) <= _MAX_LABEL and is_label(label):
        return role(label), rest.strip()
    return Role.UNKNOWN, text.strip()
