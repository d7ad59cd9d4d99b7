"""PagerDuty's V3 webhooks: ``{"event": {id, event_type, agent, data: {incident_key, …}}}``.

Signed with ``X-PagerDuty-Signature: v1=<hex HMAC-SHA256 of the body>``, several of them, separated by
commas, while a secret is rotated. There is no time in what is signed: that an event comes again is
seen by its id, and an old one by its epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.notifier.callbacks.heard import Door, Heard, Ignored, Malformed, page_of
from shared.signatures import check_hmac, require

SIGNATURE: Final = "X-PagerDuty-Signature"
MAX_SIGNATURES: Final = 10
PERSON: Final = "pagerduty_user"
"""Kind of address, in the people of the sinks, of somebody's id at PagerDuty (``P…``)."""

_VERSION: Final = "v1="
_ACKNOWLEDGED: Final = "incident.acknowledged"
_PING: Final = "pagey.ping"


class _Agent(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    summary: str | None = None
    email: str | None = None


class _Incident(msgspec.Struct, frozen=True):
    incident_key: str | None = None


class _Event(msgspec.Struct, frozen=True):
    id: str
    event_type: str
    agent: _Agent | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Envelope(msgspec.Struct, frozen=True):
    event: _Event


_decoder = msgspec.json.Decoder(_Envelope)
_incident = msgspec.json.Decoder(_Incident)


def verify(door: Door, headers: Mapping[str, str], body: bytes, _now: int) -> None:
    """Check that one of the signatures is ours (else ``Unauthentic``)."""
    given = [one.strip() for one in headers.get(SIGNATURE, "").split(",")]
    require(len(given) <= MAX_SIGNATURES, "too many signatures")
    digests = [one.removeprefix(_VERSION) for one in given if one.startswith(_VERSION)]
    check_hmac(door.secrets, body, digests)


def parse(body: bytes) -> Heard | Ignored:
    """Return what the event says.

    Raises:
        Malformed: it is no event of PagerDuty.
    """
    try:
        event = _decoder.decode(body).event
        if event.event_type == _PING:
            return Ignored.PING
        if event.event_type != _ACKNOWLEDGED:
            return Ignored.OTHER_EVENT
        key = _incident.decode(event.data).incident_key or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error
    page = page_of(key)
    if page is None:
        return Ignored.NOT_OURS
    agent = event.agent or _Agent()
    return Heard(
        event_id=event.id,
        page=page,
        addresses=((PERSON, agent.id), ("email", agent.email or "")),
        name=agent.summary or "",
    )
