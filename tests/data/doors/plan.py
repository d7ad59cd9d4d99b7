"""Which row goes through which door."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.data.doors import mail, writing
from tests.data.doors.rows import Row
from tests.data.doors.writing import Written

Write = Callable[[Sequence[Row]], Written]
SMTP, IMPORT, NDJSON = "smtp", "import", "ndjson"


@dataclass(frozen=True)
class Door:
    """A way in: ``write`` None for those that are no web hooks. ``batch`` rows go in one request."""

    name: str
    provider: str
    write: Write | None = None
    batch: int = 1


DOORS: Mapping[str, Door] = {
    door.name: door
    for door in (
        Door(SMTP, "smtp"),
        Door("postmark", "postmark", mail.postmark),
        Door("mailgun", "mailgun", mail.mailgun),
        Door("call_record", "call_record", writing.call_record, 10),
        Door("twilio-sms", "twilio", writing.sms),
        Door("twilio-voicemail", "twilio", writing.voicemail),
        Door("x", "x", writing.x, 20),
        Door("messenger", "meta", writing.messenger, 20),
        Door("whatsapp", "meta", writing.whatsapp, 20),
        Door("slack", "slack", writing.slack),
        Door("trustpilot", "trustpilot", writing.trustpilot, 10),
        Door(IMPORT, "generic"),
        Door("standard_webhooks", "standard_webhooks", writing.standard_webhooks),
        Door("cloudevents", "cloudevents", writing.cloudevents, 50),
        Door(NDJSON, "generic", batch=200),
    )
}
_SHARES: Mapping[str, str] = {
    "email": f"{SMTP} {SMTP} {SMTP} {SMTP} postmark {SMTP} {SMTP} mailgun {SMTP} cloudevents",
    "phone": "call_record twilio-sms call_record twilio-voicemail call_record standard_webhooks",
    "social": f"x messenger slack x whatsapp x messenger slack whatsapp {NDJSON}",
    "reviews": f"trustpilot {IMPORT} trustpilot {IMPORT} cloudevents",
    "": f"standard_webhooks cloudevents {NDJSON}",
}
"""Per channel the doors that its rows take in turn."""


def shared_out(rows: Iterable[Row], *, smtp: bool) -> Mapping[Door, list[Row]]:
    """Return the rows by the door that they are to go through; without SMTP its share is Mailgun's."""
    turns = {channel: itertools.cycle(doors.split()) for channel, doors in _SHARES.items()}
    shares: dict[Door, list[Row]] = defaultdict(list)
    for row in rows:
        turn = turns.get(row.channel or "", turns[""])
        name = next(turn)
        shares[DOORS["mailgun" if name == SMTP and not smtp else name]].append(row)
    return shares


def batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """Yield ``rows`` in portions."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def source_of(door: Door, stem: str) -> str:
    """Return the name of the source that rows of the file ``stem`` come in by through ``door``."""
    return f"{door.name}.{stem}"
