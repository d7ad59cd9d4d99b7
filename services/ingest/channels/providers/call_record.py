"""Call records in the product's own JSON: for any switchboard or speech engine without a module.

One object, or an array of them:

    {"call_id": "…", "leg": "…", "op": "create" | "update" | "delete", "revision": "…",
     "direction": "inbound" | "outbound", "started_at": "2026-05-04T10:00:00Z", "duration": 63.5,
     "from": "+49…", "queue": "…", "outcome": "answered" | "missed" | "abandoned" | "voicemail",
     "agent": "…", "recording_url": "https://…", "language": "de", "engine": "…", "confidence": 0.9,
     "transcript_status": "complete" | "partial" | "failed" | "pending" | "none", "transcript": …}

``transcript`` is text (the caller's own words, as of a voicemail), or one of ``{"text": …}``,
``{"vtt": …}``, ``{"srt": …}`` and ``{"turns": [{"speaker": "customer", "text": …, "start": 0.5,
"end": 2.0, "channel": 0, "confidence": 0.9}]}`` (seconds; ``start_ms`` and ``end_ms`` instead are
milliseconds). Only ``call_id`` is needed; ``duration`` is in seconds. Records with the same ``call_id``
and ``leg`` are about the same call, and the later ones revise it.

Authenticated by ``Authorization: Bearer …``, or, which also proves the body, by
``X-Tocsin-Signature: t=<epoch seconds>,v1=<hex>``: HMAC-SHA256 over ``<t>.<body>``, five minutes old
at most; several ``v1`` may be given while the secret is rotated.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.phone import captions
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.speakers import CUSTOMER_CHANNEL, channel_role, role
from services.ingest.channels.phone.transcript import (
    NOTHING,
    Spoken,
    bounded,
    conversation,
    milliseconds,
    monologue,
)
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
from services.ingest.channels.times import stated
from services.ingest.channels.tokens import check_bearer
from shared.events import CallOutcome, Channel, Operation, Role, Transcript, Turn
from shared.signatures import check_age, check_hmac, seconds

HEADER = "x-tocsin-signature"
_MAX_PARTS = 10


class _Turn(msgspec.Struct, frozen=True):
    text: str = ""
    speaker: str | int | None = None
    channel: int | None = None
    start: float | None = None
    end: float | None = None
    start_ms: float | None = None
    end_ms: float | None = None
    confidence: float | None = None


class _Words(msgspec.Struct, frozen=True):
    text: str | None = None
    turns: tuple[_Turn, ...] = ()
    vtt: str | None = None
    srt: str | None = None


class _Record(msgspec.Struct, frozen=True, rename={"by": "from"}):
    call_id: str | int
    leg: str | int | None = None
    op: Operation = Operation.CREATE
    revision: str | int | None = None
    direction: str | None = None
    started_at: str | float | None = None
    duration: float | None = None
    by: str | None = None
    queue: str | None = None
    outcome: CallOutcome | None = None
    agent: str | None = None
    recording_url: str | None = None
    language: str | None = None
    engine: str | None = None
    confidence: float | None = None
    transcript_status: Transcript | None = None
    transcript: str | _Words | None = None


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check the signature if there is one, else the bearer token."""
    given = hook.header(HEADER)
    if not given:
        return check_bearer(hook, credentials)
    parts = [part.strip().partition("=") for part in given.split(",")[:_MAX_PARTS]]
    time = next((value for name, _, value in parts if name == "t"), "")
    check_hmac(
        credentials.secrets,
        time.encode("utf-8", "surrogateescape") + b"." + hook.body,
        [value for name, _, value in parts if name == "v1"],
    )
    check_age(seconds(time), hook.now)
    return Proof("hmac_sha256")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the calls of one record or an array of them."""
    if hook.body.lstrip()[:1] != b"[":
        return Delivery(items=(_item(read_json(hook.body, _Record), settings),))
    records = read_json(hook.body, list[msgspec.Raw])
    return gathered(records, _Record, lambda record: _item(record, settings))


def _item(record: _Record, settings: Settings) -> Item:
    return call_item(
        record.call_id,
        leg=record.leg,
        outcome=record.outcome,
        spoken=NOTHING if record.op is Operation.DELETE else _spoken(record, settings),
        by=record.by,
        at=stated(record.started_at),
        direction=record.direction,
        duration_ms=milliseconds(record.duration),
        queue=record.queue,
        recording_url=record.recording_url,
        engine=record.engine,
        confidence=record.confidence,
        language=record.language,
        op=record.op,
        revision=None if record.revision is None else str(record.revision),
        attributes={"agent": record.agent},
    )


def _spoken(record: _Record, settings: Settings) -> Spoken:
    """Return the words; what is stated of the transcript counts, unless it claims what is not there."""
    status, given = record.transcript_status, record.transcript
    if status is Transcript.FAILED or given is None:
        claimed = {None: Transcript.NONE, Transcript.COMPLETE: Transcript.FAILED}
        return Spoken(transcript=claimed.get(status, status or Transcript.NONE))
    if isinstance(given, str):
        spoken = monologue(given)
    elif given.text is not None:
        spoken = monologue(given.text)
    else:
        spoken = conversation(_turns(given, settings))
    partial = status in {Transcript.PARTIAL, Transcript.PENDING}
    if status is None or not (partial and spoken.turns):
        return spoken
    return msgspec.structs.replace(spoken, transcript=status)


def _turns(given: _Words, settings: Settings) -> Iterator[Turn]:
    if given.vtt is not None:
        yield from captions.turns(given.vtt, "vtt")
    if given.srt is not None:
        yield from captions.turns(given.srt, "srt")
    for turn in given.turns:
        speaker = role(turn.speaker)
        if speaker is Role.UNKNOWN:
            speaker = channel_role(turn.channel, settings)
        yield Turn(
            speaker=speaker,
            text=turn.text,
            start_ms=milliseconds(turn.start) if turn.start_ms is None else bounded(turn.start_ms),
            end_ms=milliseconds(turn.end) if turn.end_ms is None else bounded(turn.end_ms),
            confidence=turn.confidence,
        )


PROVIDER = Provider(
    name="call_record",
    title="Call records (own JSON)",
    channel=Channel.PHONE,
    capability=Capability(),
    secret="a bearer token, or the key of X-Tocsin-Signature",
    secret_from=SecretFrom.TOKEN,
    max_body=16_000_000,
    verify=verify,
    parse=parse,
    options={CUSTOMER_CHANNEL: "number of the audio channel that the customer speaks on"},
)
