"""Captions (WebVTT, SubRip) → turns. Speakers: voice tags, or a label in front of the words."""

from __future__ import annotations

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
        label, text = _labelled(caption.text)
        yield Turn(
            speaker=role(caption.voice) if caption.voice else label,
            text=text,
            start_ms=bounded(caption.start_time.in_milliseconds()),
            end_ms=bounded(caption.end_time.in_milliseconds()),
        )


def _labelled(text: str) -> tuple[Role, str]:
    """Split ``Agent: Hello`` and ``[SPEAKER_00]: Hello``; a colon in speech splits nothing."""
    head, colon, rest = text.partition(":")
    label = head.strip().removeprefix("[").removesuffix("]")
    if colon and len(head) <= _MAX_LABEL and is_label(label):
        return role(label), rest.strip()
    return Role.UNKNOWN, text.strip()
