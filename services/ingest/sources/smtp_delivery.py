"""One mail from its envelope to intake, and the replies that its sender gets for it."""

from __future__ import annotations

import asyncio
import enum

import msgspec
import structlog

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Unfit
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.intake import Intake
from services.ingest.metering import Metering
from services.ingest.outcome import Status
from services.ingest.registry import Configured, door
from services.ingest.sources.smtp_mailboxes import Mailboxes
from shared.clock import Clock
from shared.errors import Transient
from shared.limits import Limits
from shared.metrics import Metrics

LARGE_BYTES = 262_144
"""A larger mail is parsed in a thread: other sessions are not to wait for it."""

_log = structlog.get_logger(__name__)


class Outcome(enum.StrEnum):
    """What became of a mail whose data was sent."""

    TAKEN = "taken"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    TOO_LARGE = "too_large"


REPLIES = {
    Outcome.TAKEN: "250 2.0.0 Kept",
    Outcome.UNAVAILABLE: "451 4.3.0 It could not be kept, try again later",
    Outcome.OVERLOADED: "451 4.3.1 Too much mail at the same time, try again later",
    Outcome.TOO_LARGE: "552 5.3.4 The message is too large",
}


class Sent(msgspec.Struct, frozen=True):
    """A mail as it was handed over; ``sender`` is "" for the null sender."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


class Postroom:
    """Knows which recipients are ours, and hands mail to intake. Shared by all sessions."""

    def __init__(
        self,
        intake: Intake,
        mailboxes: Mailboxes,
        limits: Limits,
        metering: Metering,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._intake = intake
        self._mailboxes = mailboxes
        self._limits = limits
        self._metering = metering
        self._messages = {kind: metrics.smtp_messages.labels(kind) for kind in Outcome}
        self._clock = clock

    def refusal(self, recipient: str) -> str | None:
        """Return the reply that refuses ``recipient``, None if its mail is taken now."""
        sources = self._mailboxes.of(recipient)
        if not sources:
            return "550 5.1.1 No such mailbox here"
        if any(source.source.paused for source in sources):
            return "450 4.2.1 The mailbox is paused, try again later"
        if any(self._limits.wait_s(source.name, source.source) > 0 for source in sources):
            return "451 4.7.1 Too much mail for this mailbox, try again later"
        return None

    async def deliver(self, mail: Sent) -> list[Outcome]:
        """Return what became of ``mail`` for each of its recipients, once that is known.

        A source gets it once, however many of its mailboxes are addressed.
        """
        wanted = [self._mailboxes.of(recipient) for recipient in mail.recipients]
        addressed: dict[str, list[str]] = {}
        for recipient, sources in zip(mail.recipients, wanted, strict=True):
            for source in sources:
                addressed.setdefault(source.name, []).append(recipient)
        named = {source.name: source for sources in wanted for source in sources}
        kept = {
            name: await self._kept(named[name], tuple(recipients), mail)
            for name, recipients in addressed.items()
        }
        return [
            Outcome.TAKEN
            if sources and all(kept[source.name] for source in sources)
            else Outcome.UNAVAILABLE
            for sources in wanted
        ]

    def count(self, outcome: Outcome) -> None:
        """Count a mail."""
        self._messages[outcome].inc()

    async def _kept(self, source: Configured, recipients: tuple[str, ...], mail: Sent) -> bool:
        envelope = Envelope(sender=mail.sender, recipients=recipients, trusted=True)
        if len(mail.raw) > LARGE_BYTES:
            entry = await asyncio.to_thread(self._entry, source, envelope, mail.raw)
        else:
            entry = self._entry(source, envelope, mail.raw)
        self._limits.charge(source.name, source.source, 1)
        try:
            results = await self._intake.take([entry], door(source))
        except Transient:
            return False
        self._metering.source_heard(source.name, self._clock.now_ms())
        return results[0].status is not Status.UNAVAILABLE

    def _entry(self, source: Configured, envelope: Envelope, raw: bytes) -> Item | Unfit:
        """Return the item; a mail that cannot be read is kept as a dead letter, and is taken."""
        try:
            return parse_message(raw, envelope, source.settings, self._clock.now_ms())
        except Rejected as rejected:
            return Unfit.of(rejected, raw)
        except Exception as error:  # noqa: BLE001 (a bug must not bring the mail back for ever)
            _log.exception("a mail broke its parser", source=source.name)
            return Unfit(Refusal.FAILED, f"the parser failed: {type(error).__name__}", raw)
