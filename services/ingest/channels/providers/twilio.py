"""Twilio: text messages (SMS, MMS, RCS, WhatsApp) and what becomes of calls.

Point the message URL, the call's status callback, the action of ``<Dial>``, ``recordingStatusCallback``
and ``transcribeCallback`` of ``<Record>`` at the same address: all are forms that state their kind by
their fields (Twilio docs: messaging/guides/webhook-request, voice/twiml, voice/twiml/record). A call id
of Twilio's is that of one leg, so everything about one leg is one item and what comes later revises it.

Answers in the form of JSON (Conversational Intelligence, batch transcription in beta) only name a
transcript or have no published shape; they are authenticated and counted, not read.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.ingest.channels.forms import URLENCODED, urlencoded
from services.ingest.channels.gathering import delivered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Answerable, Item
from services.ingest.channels.phone.caller import caller
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.transcript import (
    FAILED,
    NOTHING,
    PENDING,
    Spoken,
    milliseconds,
    monologue,
)
from services.ingest.channels.phone.twilio_signature import check_signature
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Reply,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Attachment, CallOutcome, Channel, Medium, Operation

Fields = Mapping[str, str]

_MAX_MEDIA = 100
_MISSED = frozenset({"no-answer", "busy", "failed", "canceled"})
_TAKEN = frozenset({"completed", "answered"})
_KINDS = {"whatsapp": Medium.DIRECT_MESSAGE, "messenger": Medium.DIRECT_MESSAGE}


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check ``X-Twilio-Signature``; the secret is the auth token or the shared key."""
    return check_signature(hook, credentials)


def parse(hook: Hook, settings: Settings) -> Delivery:  # noqa: ARG001
    """Return the message or the call in a form; a GET has the same fields in the URL."""
    if hook.content_type == "application/json":
        read_json(hook.body, dict[str, msgspec.Raw])
        return Delivery(ignored=(Ignored.UNSUPPORTED,))
    fields = hook.query if hook.method == "GET" else _form(hook)
    return delivered((_read(fields),))


def _form(hook: Hook) -> Fields:
    if not hook.body:
        raise Rejected(Refusal.EMPTY, "an empty body where a form was expected")
    if hook.content_type != URLENCODED:
        raise Rejected(Refusal.BAD_VALUE, f"expected {URLENCODED}")
    return dict(urlencoded(hook.body))


def _read(fields: Fields) -> Item | Ignored:
    if fields.get("TranscriptionEvent"):  # live transcription: single phrases, while people talk
        content = fields["TranscriptionEvent"] == "transcription-content"
        return Ignored.PARTIAL if content else Ignored.STATUS
    if fields.get("TranscriptionSid") or fields.get("TranscriptionStatus"):
        return _transcription(fields)
    ended = fields.get("DialCallStatus") or fields.get("CallDuration")
    if not ended and (fields.get("RecordingSid") or fields.get("RecordingUrl")):
        return _recording(fields)
    if fields.get("CallSid"):
        return _call(fields)
    if fields.get("MessageSid") or fields.get("SmsSid"):
        return _message(fields)
    raise Rejected(Refusal.MISSING_FIELD, "neither MessageSid nor CallSid")


def _message(fields: Fields) -> Item | Ignored:
    if (fields.get("MessageStatus") or fields.get("SmsStatus") or "received") != "received":
        return Ignored.RECEIPT
    if fields.get("OptOutType"):  # STOP, START, HELP: Twilio has dealt with the keyword itself
        return Ignored.STATUS
    media = _media(fields)
    if not fields.get("Body", "").strip() and not media:
        return Ignored.UNSUPPORTED
    network, colon, _ = fields.get("From", "").partition(":")
    sid, sender = fields.get("MessageSid") or fields["SmsSid"], caller(fields.get("From"))
    return Item(
        native_id=sid,
        channel=Channel.PHONE,
        medium=_KINDS.get(network, Medium.SMS) if colon else Medium.SMS,
        text=fields.get("Body", ""),
        author=sender,
        author_verified=network == "whatsapp",
        display_name=fields.get("ProfileName") or None,
        parent_id=fields.get("OriginalRepliedMessageSid") or None,
        country=fields.get("FromCountry") or None,
        attachments=media,
        answerable=Answerable(address=fields["From"], account=fields.get("To", ""), reply_to=sid)
        if sender
        else None,
    )


def _media(fields: Fields) -> tuple[Attachment, ...]:
    wanted = fields.get("NumMedia", "")
    count = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 4 else 0
    return tuple(
        Attachment(url=fields[url], media_type=fields.get(f"MediaContentType{number}"))
        for number in range(min(count, _MAX_MEDIA))
        if fields.get(url := f"MediaUrl{number}")
    )


def _call(fields: Fields) -> Item | Ignored:
    """Return a call that has ended: status callback, or the action of ``<Dial>``.

    The call of a customer is picked up by a program: that nobody answered shows in ``DialCallStatus``.
    Nobody answering *our* call is no feedback, nor is the leg to an agent.
    """
    status = fields.get("DialCallStatus") or fields.get("CallStatus", "")
    if status not in _MISSED | _TAKEN or fields.get("Direction") == "outbound-dial":
        return Ignored.STATUS
    if status in _MISSED and _is_ours(fields):
        return Ignored.STATUS
    outcome = CallOutcome.MISSED if status in _MISSED else CallOutcome.ANSWERED
    return _item(
        fields,
        outcome=outcome,
        seconds=fields.get("CallDuration") or fields.get("DialCallDuration"),
        time=fields.get("Timestamp"),
    )


def _recording(fields: Fields) -> Item | Ignored:
    """Return a recording: a voicemail if ``<Record>`` made it, else that of an answered call."""
    if fields.get("RecordingStatus", "completed") != "completed":
        return Ignored.STATUS
    voicemail = fields.get("RecordingSource", "RecordVerb") == "RecordVerb"
    return _item(
        fields,
        outcome=CallOutcome.VOICEMAIL if voicemail else CallOutcome.ANSWERED,
        spoken=PENDING if voicemail else NOTHING,
        seconds=fields.get("RecordingDuration"),
        time=fields.get("RecordingStartTime"),
        op=Operation.UPDATE,
    )


def _transcription(fields: Fields) -> Item | Ignored:
    """Return the words of a voicemail, or that they could not be made out."""
    status = fields.get("TranscriptionStatus", "").casefold()
    if status not in {"completed", "failed"}:
        return Ignored.STATUS
    spoken = FAILED if status == "failed" else monologue(fields.get("TranscriptionText"))
    return _item(fields, outcome=CallOutcome.VOICEMAIL, spoken=spoken, op=Operation.UPDATE)


def _item(
    fields: Fields,
    *,
    outcome: CallOutcome,
    spoken: Spoken = NOTHING,
    seconds: str | None = None,
    time: str | None = None,
    op: Operation = Operation.CREATE,
) -> Item:
    ours = _is_ours(fields)
    item = call_item(
        fields.get("CallSid"),
        of=fields.get("ParentCallSid"),
        outcome=outcome,
        spoken=spoken,
        by=fields.get("To") if ours else fields.get("From"),
        at=stated(time),
        direction="outbound" if ours else "inbound" if fields.get("Direction") else None,
        duration_ms=_duration(seconds),
        queue=fields.get("QueueName"),
        recording_url=fields.get("RecordingUrl"),
        op=op,
    )
    country = fields.get("ToCountry") if ours else fields.get("FromCountry")
    return msgspec.structs.replace(item, country=country or None)


def _is_ours(fields: Fields) -> bool:
    return fields.get("Direction", "").startswith("outbound")


def _duration(seconds: str | None) -> int | None:
    text = seconds or ""
    return milliseconds(int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else None


PROVIDER = Provider(
    name="twilio",
    title="Twilio",
    channel=Channel.PHONE,
    # It repeats a request at most five times within 15 s; a person may replay one from the log.
    capability=Capability(reply_max_chars=1_600),
    secret="the auth token of the account, or the shared key that signs its web hooks",
    verify=verify,
    parse=parse,
    reply=Reply(body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="text/xml"),
)
