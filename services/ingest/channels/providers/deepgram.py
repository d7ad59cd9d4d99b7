"""Deepgram: transcripts of recordings, posted to the ``callback`` of a request to ``/v1/listen``.

Deepgram knows nothing of the call, so the request states it in ``extra`` (developers.deepgram.com,
"Extra Metadata"), which comes back: ``extra=call_id:…``, ``from``, ``leg``, ``outcome``,
``direction``, ``queue``, ``started_at``, ``recording_url``. Without ``call_id`` the id of the request
stands for the call. Ask for ``utterances=true`` with ``diarize`` or ``multichannel``; times are seconds.

Authenticated by user and password in the callback's URL, or by ``extra=callback_secret:…``, the ways
that "STT Callback" describes; ``dg-token`` is none any more (changelog of 2026-10-27).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.speakers import CUSTOMER_CHANNEL, channel_role
from services.ingest.channels.phone.transcript import FAILED, conversation, milliseconds
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
from shared.events import CallOutcome, Channel, Turn
from shared.signatures import Unauthentic, check_basic, check_token

ENGINE = "deepgram"
_OUTCOMES = {str(outcome): outcome for outcome in CallOutcome}


class _Extra(msgspec.Struct, frozen=True, rename={"by": "from"}):
    callback_secret: str | None = None
    call_id: str | None = None
    leg: str | None = None
    by: str | None = None
    outcome: str | None = None
    direction: str | None = None
    queue: str | None = None
    started_at: str | None = None
    recording_url: str | None = None


class _Metadata(msgspec.Struct, frozen=True):
    request_id: str | None = None
    duration: float | None = None
    extra: _Extra | None = None


class _Alternative(msgspec.Struct, frozen=True):
    transcript: str = ""
    confidence: float | None = None


class _Channel(msgspec.Struct, frozen=True):
    alternatives: tuple[_Alternative, ...] = ()
    detected_language: str | None = None


class _Utterance(msgspec.Struct, frozen=True):
    transcript: str = ""
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    channel: int | None = None


class _Results(msgspec.Struct, frozen=True):
    channels: tuple[_Channel, ...] = ()
    utterances: tuple[_Utterance, ...] | None = None


class _Answer(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    results: _Results | None = None
    request_id: str | None = None
    err_code: str | None = None


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check user and password, else the secret in the extra metadata."""
    if hook.header("authorization"):
        check_basic(credentials.secrets, hook.header("authorization"))
        return Proof("basic")
    try:
        extra = read_json(hook.body, _Answer).metadata.extra
    except Rejected as rejected:
        raise Unauthentic("neither user and password nor a readable body") from rejected
    given = "" if extra is None else extra.callback_secret or ""
    check_token(credentials.secrets, given, what="callback_secret")
    return Proof("callback_secret")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the call of a transcript; a failed one is a call that a person has to listen to."""
    answer = read_json(hook.body, _Answer)
    if answer.results is None and answer.err_code is None:
        raise Rejected(Refusal.MISSING_FIELD, "results")
    meta, results = answer.metadata, answer.results or _Results()
    extra = meta.extra or _Extra()
    best = [channel.alternatives[0] for channel in results.channels if channel.alternatives]
    item = call_item(
        extra.call_id or meta.request_id or answer.request_id,
        leg=extra.leg,
        outcome=_OUTCOMES.get((extra.outcome or "").casefold()),
        spoken=FAILED if answer.results is None else conversation(_turns(results, settings)),
        by=extra.by,
        at=stated(extra.started_at),
        direction=extra.direction,
        duration_ms=milliseconds(meta.duration),
        queue=extra.queue,
        recording_url=extra.recording_url,
        engine=ENGINE,
        confidence=best[0].confidence if best else None,
        language=next((one.detected_language for one in results.channels), None),
    )
    return Delivery(items=(item,))


def _turns(results: _Results, settings: Settings) -> Iterator[Turn]:
    """Yield the utterances; without any, what was said on each channel as one turn."""
    for said in results.utterances or ():
        yield Turn(
            speaker=channel_role(said.channel if len(results.channels) > 1 else None, settings),
            text=said.transcript,
            start_ms=milliseconds(said.start),
            end_ms=milliseconds(said.end),
            confidence=said.confidence,
        )
    if results.utterances:
        return
    many = len(results.channels) > 1
    for number, channel in enumerate(results.channels):
        if channel.alternatives:
            best = channel.alternatives[0]
            yield Turn(
                speaker=channel_role(number if many else None, settings),
                text=best.transcript,
                confidence=best.confidence,
            )


PROVIDER = Provider(
    name="deepgram",
    title="Deepgram",
    channel=Channel.PHONE,
    capability=Capability(),
    secret="user:password of the callback's URL, or the value of extra callback_secret",
    secret_from=SecretFrom.BASIC,
    max_body=16_000_000,
    verify=verify,
    parse=parse,
    options={
        CUSTOMER_CHANNEL: "number of the customer's channel in multichannel recordings, from 0"
    },
)
