"""Whisper and its relatives: whatever transcript they write, in a small envelope that says whose it is.

    {"call_id": "…", "leg": "…", "from": "+49…", "direction": "inbound", "outcome": "voicemail",
     "queue": "…", "agent": "…", "started_at": "2026-05-04T10:00:00Z", "duration": 42.5,
     "recording_url": "https://…", "status": "completed" | "failed", "transcript": <output>}

``<output>`` is OpenAI's ``json``, ``verbose_json`` or ``diarized_json`` (seconds), whisper.cpp's
``--output-json`` (``transcription``, offsets in ms), or that of faster-whisper or WhisperX (speakers
``SPEAKER_00``). Only ``call_id`` and ``transcript`` are needed, or ``status`` "failed".

On silence Whisper makes up sentences: segments that it takes for no speech itself are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.speakers import role
from services.ingest.channels.phone.transcript import FAILED, bounded, conversation, milliseconds
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from services.ingest.channels.tokens import check_bearer
from shared.events import CallOutcome, Channel, Role, Turn

ENGINE = "whisper"
_NO_SPEECH = 0.6
_UNSURE = -1.0


class _Segment(msgspec.Struct, frozen=True):
    text: str = ""
    start: float | None = None
    end: float | None = None
    speaker: str | int | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None

    @property
    def made_up(self) -> bool:
        """Both by the model's own thresholds: silence is likely, and the words are not."""
        silent = self.no_speech_prob is not None and self.no_speech_prob > _NO_SPEECH
        return silent and self.avg_logprob is not None and self.avg_logprob < _UNSURE


class _Offsets(msgspec.Struct, frozen=True, rename={"begin": "from"}):
    begin: float | None = None
    to: float | None = None


class _CppSegment(msgspec.Struct, frozen=True):
    text: str = ""
    offsets: _Offsets = _Offsets()
    speaker: str | int | None = None


class _CppResult(msgspec.Struct, frozen=True):
    language: str | None = None


class _Output(msgspec.Struct, frozen=True):
    text: str | None = None
    language: str | None = None
    duration: float | str | None = None
    segments: tuple[_Segment, ...] | None = None
    transcription: tuple[_CppSegment, ...] | None = None
    result: _CppResult | None = None


class _Envelope(msgspec.Struct, frozen=True, rename={"by": "from"}):
    call_id: str | int
    leg: str | int | None = None
    by: str | None = None
    direction: str | None = None
    outcome: CallOutcome | None = None
    queue: str | None = None
    agent: str | None = None
    started_at: str | float | None = None
    duration: float | None = None
    recording_url: str | None = None
    language: str | None = None
    status: str = "completed"
    transcript: _Output | None = None


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check the bearer token."""
    return check_bearer(hook, credentials)


def parse(hook: Hook, settings: Settings) -> Delivery:  # noqa: ARG001
    """Return the call of a transcript."""
    given = read_json(hook.body, _Envelope)
    failed = given.status.casefold() == "failed"
    if given.transcript is None and not failed:
        raise Rejected(Refusal.MISSING_FIELD, "transcript")
    said = given.transcript or _Output()
    inner = said.result.language if said.result else None
    item = call_item(
        given.call_id,
        leg=given.leg,
        outcome=given.outcome,
        spoken=FAILED if failed else conversation(_turns(said, given.outcome)),
        by=given.by,
        at=stated(given.started_at),
        direction=given.direction,
        duration_ms=milliseconds(given.duration) or milliseconds(_number(said.duration)),
        queue=given.queue,
        recording_url=given.recording_url,
        engine=ENGINE,
        language=given.language or said.language or inner,
        attributes={"agent": given.agent},
    )
    return Delivery(items=(item,))


def _turns(said: _Output, outcome: CallOutcome | None) -> Iterator[Turn]:
    alone = Role.CUSTOMER if outcome is CallOutcome.VOICEMAIL else Role.UNKNOWN
    if said.segments is None and said.transcription is None:
        yield Turn(speaker=alone, text=said.text or "")
    for segment in said.segments or ():
        if not segment.made_up:
            yield Turn(
                speaker=_speaker(segment.speaker, alone),
                text=segment.text.strip(),
                start_ms=milliseconds(segment.start),
                end_ms=milliseconds(segment.end),
            )
    for part in said.transcription or ():
        yield Turn(
            speaker=_speaker(part.speaker, alone),
            text=part.text.strip(),
            start_ms=bounded(part.offsets.begin),
            end_ms=bounded(part.offsets.to),
        )


def _speaker(label: str | int | None, alone: Role) -> Role:
    """Return the role of a speaker; only the caller speaks in a voicemail."""
    return alone if alone is Role.CUSTOMER else role(label)


def _number(value: float | str | None) -> float | None:
    """Return a length in seconds: OpenAI used to write it as text."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return None


PROVIDER = Provider(
    name="whisper",
    title="Whisper, whisper.cpp, WhisperX",
    channel=Channel.PHONE,
    capability=Capability(),
    secret="a bearer token of your choice, which your transcription job sends",
    secret_from=SecretFrom.TOKEN,
    max_body=16_000_000,
    verify=verify,
    parse=parse,
)
