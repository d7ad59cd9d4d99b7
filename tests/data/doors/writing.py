"""Rows → bodies as the platforms send them. All but the text and the language is invented."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.data.doors.rows import Row
from tests.data.doors.sealing import FORM, JSON

OWN_PAGE = "1010101010"
OWN_ACCOUNT = "2020202020"
SHORT_POST = 140


class Written(NamedTuple):
    """A body, and what must come of it: per native id how long the text is."""

    body: bytes
    content_type: str
    items: dict[str, int]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _number(row: Row) -> str:
    return f"+493023125{row.number('caller', 1_000):03}"  # reserved for use in fiction


def call_record(rows: Sequence[Row]) -> Written:
    """Return call records: some with both sides as turns, others voicemails."""
    return Written(
        _json([_call(row) for row in rows]), JSON, {row.token: len(row.text) for row in rows}
    )


def _call(row: Row) -> dict[str, Any]:
    answered = row.number("answered", 2) == 0
    turns = [
        {"speaker": "agent", "text": "Good morning, how can I help?", "start": 0.5, "end": 2.0},
        {"speaker": "customer", "text": row.text, "start": 2.5, "end": 60.0},
    ]
    return {
        "call_id": row.token,
        "direction": "inbound",
        "started_at": row.at.isoformat(),
        "duration": 60.0,
        "from": _number(row),
        "outcome": "answered" if answered else "voicemail",
        "language": row.lang,
        "transcript": {"turns": turns} if answered else row.text,
    }


def sms(rows: Sequence[Row]) -> Written:
    """Return the form of a text message."""
    (row,) = rows
    sid = "SM" + row.hex("sms")
    fields = {
        "MessageSid": sid,
        "SmsSid": sid,
        "AccountSid": "AC" + "0" * 32,
        "From": _number(row),
        "To": "+493023125999",
        "Body": row.text,
        "NumMedia": "0",
        "FromCountry": "DE",
    }
    return Written(urlencode(fields).encode(), FORM, {sid: len(row.text)})


def voicemail(rows: Sequence[Row]) -> Written:
    """Return the form that tells the words of a voicemail."""
    (row,) = rows
    sid = "CA" + row.hex("call")
    fields = {
        "CallSid": sid,
        "AccountSid": "AC" + "0" * 32,
        "From": _number(row),
        "To": "+493023125999",
        "Direction": "inbound",
        "RecordingSid": "RE" + row.hex("recording"),
        "RecordingUrl": "https://api.example.com/recordings/" + row.hex("recording"),
        "TranscriptionSid": "TR" + row.hex("transcription"),
        "TranscriptionStatus": "completed",
        "TranscriptionText": row.text,
    }
    return Written(urlencode(fields).encode(), FORM, {sid: len(row.text)})


def x(rows: Sequence[Row]) -> Written:
    """Return posts that mention us, as X escapes and abridges them."""
    posts, items = [], {}
    for row in rows:
        native = str(10**17 + row.number("post", 9 * 10**17))
        items[native] = len(row.text)
        text = html.escape(row.text, quote=False)
        post: dict[str, Any] = {
            "id_str": native,
            "created_at": row.at.strftime("%a %b %d %H:%M:%S +0000 %Y"),
            "text": text,
            "user": {"id_str": str(row.number("user", 10**12)), "screen_name": row.customer},
            "lang": row.lang or "und",
        }
        if len(row.text) > SHORT_POST:
            post |= {"text": text[:SHORT_POST] + "…", "extended_tweet": {"full_text": text}}
        posts.append(post)
    return Written(_json({"for_user_id": OWN_ACCOUNT, "tweet_create_events": posts}), JSON, items)


def messenger(rows: Sequence[Row]) -> Written:
    """Return direct messages to a page, escaped as Meta does it: the signature is over that."""
    items = {"m_" + row.hex("mid", 40): len(row.text) for row in rows}
    events = [
        {
            "sender": {"id": str(row.number("psid", 10**15))},
            "recipient": {"id": OWN_PAGE},
            "timestamp": int(row.at.timestamp() * 1000),
            "message": {"mid": mid, "text": row.text},
        }
        for row, mid in zip(rows, items, strict=True)
    ]
    entry = {"id": OWN_PAGE, "time": 1, "messaging": events}
    return Written(_escaped({"object": "page", "entry": [entry]}), JSON, items)


def whatsapp(rows: Sequence[Row]) -> Written:
    """Return WhatsApp messages, each a change of its own."""
    items = {
        "wamid." + base64.b64encode(bytes.fromhex(row.hex("wamid"))).decode(): len(row.text)
        for row in rows
    }
    changes = [
        {
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "493023125999", "phone_number_id": "30303"},
                "contacts": [{"wa_id": _number(row)[1:], "profile": {"name": row.customer}}],
                "messages": [
                    {
                        "id": native,
                        "from": _number(row)[1:],
                        "timestamp": str(int(row.at.timestamp())),
                        "type": "text",
                        "text": {"body": row.text},
                    }
                ],
            },
        }
        for row, native in zip(rows, items, strict=True)
    ]
    entry = {"id": "404040", "changes": changes}
    return Written(_escaped({"object": "whatsapp_business_account", "entry": [entry]}), JSON, items)


def _escaped(value: object) -> bytes:
    return json.dumps(value).replace("/", "\\/").encode()


def slack(rows: Sequence[Row]) -> Written:
    """Return a message in a channel that customers are in."""
    (row,) = rows
    channel = f"C{row.number('channel', 40):05}"
    ts = f"{int(row.at.timestamp())}.{row.number('ts', 10**6):06}"
    text = html.escape(row.text, quote=False)
    event = {
        "type": "message",
        "channel": channel,
        "channel_type": "channel",
        "user": "U" + row.customer.upper(),
        "text": text,
        "ts": ts,
    }
    envelope = {"type": "event_callback", "team_id": "T0", "api_app_id": "A0", "event": event}
    return Written(_json(envelope), JSON, {f"{channel}:{ts}": len(row.text)})


def trustpilot(rows: Sequence[Row]) -> Written:
    """Return reviews that were written."""
    events = [
        {
            "eventName": "service-review-created",
            "version": "1.0",
            "eventData": {
                "id": row.hex("review", 24),
                "language": row.lang,
                "title": "",
                "text": row.text,
                "stars": 1 + row.number("stars", 5),
                "createdAt": row.at.isoformat(),
                "consumer": {"id": row.hex("consumer", 24), "name": row.customer},
            },
        }
        for row in rows
    ]
    return Written(
        _json({"events": events}), JSON, {row.hex("review", 24): len(row.text) for row in rows}
    )


def _own(row: Row) -> dict[str, Any]:
    """Return the row in the product's own form."""
    item = {
        "id": row.id,
        "channel": row.channel or "other",
        "text": row.text,
        "author": f"{row.customer}@example.net",
        "occurred_at": row.at.isoformat(),
    }
    return item | ({"language": row.lang} if row.lang else {})


def standard_webhooks(rows: Sequence[Row]) -> Written:
    """Return the payload that the specification recommends."""
    (row,) = rows
    payload = {"type": "feedback.created", "timestamp": row.at.isoformat(), "data": _own(row)}
    return Written(_json(payload), JSON, {row.id: len(row.text)})


def cloudevents(rows: Sequence[Row]) -> Written:
    """Return a batch of events."""
    source = "https://survey.example.com/forms/7"
    events = [
        {
            "specversion": "1.0",
            "id": row.hex("event"),
            "source": source,
            "type": "com.example.answer.created",
            "time": row.at.isoformat(),
            "datacontenttype": JSON,
            "data": _own(row),
        }
        for row in rows
    ]
    items = {f"{source}#{row.id}": len(row.text) for row in rows}
    return Written(_json(events), "application/cloudevents-batch+json", items)


def ndjson(rows: Sequence[Row], source: str) -> Written:
    """Return a batch in the product's own form."""
    body = b"\n".join(_json(_own(row) | {"source": source}) for row in rows)
    return Written(body, "application/x-ndjson", {row.id: len(row.text) for row in rows})
