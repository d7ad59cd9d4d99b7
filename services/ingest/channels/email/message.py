"""The two entries of the e-mail core: a raw message, or the parts of one, becomes an item."""

from __future__ import annotations

from services.ingest.channels import times
from services.ingest.channels.email import bounces, machine, mime, threading
from services.ingest.channels.email.authentication import authenticity
from services.ingest.channels.email.body import own_text
from services.ingest.channels.email.mail import Address, Headers, Mail, address
from services.ingest.channels.email.parts import Envelope, Parts
from services.ingest.channels.item import DERIVED, Answerable, Item, Scalar, derived
from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.text import clean_line
from shared.events import Authenticity, Channel, Flag, Medium, Origin, Role

MAX_SUBJECT = 998  # the longest line of RFC 5322
_MAX_MAILBOX = 64
_WRONG_CLOCK_MS = 86_400_000
_ROLES = {
    Origin.OWN_ECHO: Role.AGENT,
    Origin.AUTO_GENERATED: Role.BOT,
    Origin.BOUNCE_HARD: Role.BOT,
    Origin.BOUNCE_SOFT: Role.BOT,
    Origin.RECEIPT: Role.BOT,
    Origin.ABUSE_REPORT: Role.BOT,
}


def parse_message(raw: bytes, envelope: Envelope, settings: Settings, now: int) -> Item:
    """Return the item in ``raw``, a message as of RFC 5322; ``now`` in ms.

    Raises:
        Rejected: there is nothing in it, or it is too large.
    """
    return _item(mime.read(raw), envelope, settings, now)


def from_parts(parts: Parts, envelope: Envelope, settings: Settings, now: int) -> Item:
    """Return the item of a message that is parsed already; ``now`` in ms.

    Raises:
        Rejected: there is nothing in it.
    """
    headers = Headers.of(parts.headers)
    mail = Mail(
        headers=headers,
        sender=parts.sender or headers.first("from"),
        subject=parts.subject or headers.first("subject"),
        date=parts.date or headers.first("date"),
        text=parts.text[: mime.MAX_BODY],
        html=parts.html[: mime.MAX_BODY],
        stripped=(parts.stripped or "")[: mime.MAX_BODY],
        attachments=parts.attachments[: mime.MAX_PARTS],
        omitted=max(0, len(parts.attachments) - mime.MAX_PARTS),
        raw=parts.raw,
        cut=len(parts.text) > mime.MAX_BODY,
    )
    return _item(mail, envelope, settings, now)


def _item(mail: Mail, envelope: Envelope, settings: Settings, now: int) -> Item:
    headers = mail.headers
    subject = clean_line(mail.subject[:MAX_SUBJECT])
    sender = _sender(mail, envelope)
    person = machine.relayed(headers, sender, settings)
    author = person or sender
    if not (subject or author.address or mail.text.strip() or mail.html or mail.attachments):
        raise Rejected(Refusal.EMPTY_TEXT, "neither sender, subject, text nor attachment")
    known = authenticity(headers, sender, envelope, settings)
    verified = known is not None and known.verified and person is None
    judged = machine.judge(
        mail, author, envelope, settings, relay=person is not None, verified=verified
    )
    report = judged.report
    words = own_text(mail, subject, settings.languages, as_is=report is not None)
    # It tells this message from others, and is the same whichever mailbox it came to.
    content = derived(mail.sender, mail.date, mail.subject, mail.text, mail.html)
    own_id = threading.message_id(headers.first("message-id")) or content
    stated = _time(mail, now)
    reply_to = author if person or not verified else _reply_address(headers, author, settings)
    flags = _flags(mail, envelope, known, unproven=judged.unproven)
    return Item(
        native_id=own_id,
        revision=content,
        channel=Channel.EMAIL,
        medium=Medium.EMAIL,
        text=words.text,
        title=subject or None,
        truncated=max(len(mail.text), len(mail.html)) >= mime.MAX_BODY,
        original=_original(mail) if words.lost or mail.cut else None,
        author=author.address or None,
        display_name=author.name,
        role=_role(judged),
        author_verified=verified,
        authenticity=known,
        origin=judged.origin,
        may_auto_respond=judged.may_auto_respond and not flags,
        thread_id=_thread_id(headers, own_id, envelope, settings, report),
        parent_id=threading.parent_of(headers) if report is None else report.original,
        occurred_at=stated.at,
        time_quality=stated.quality,
        attachments=mail.attachments,
        attributes=_attributes(mail, envelope, report),
        flags=flags,
        answerable=_answerable(headers, reply_to, author, subject, own_id),
    )


def _sender(mail: Mail, envelope: Envelope) -> Address:
    for value in (mail.sender, mail.headers.first("sender"), envelope.sender or ""):
        found = address(value)
        if found.address:
            return found
    return Address("", None, alone=False)


def _thread_id(
    headers: Headers,
    own_id: str,
    envelope: Envelope,
    settings: Settings,
    report: bounces.Report | None,
) -> str:
    secrets, about = settings.listed("thread_secret"), None if report is None else report.root
    return threading.thread_id(headers, own_id, envelope.recipients, secrets, about=about)


def _reply_address(headers: Headers, author: Address, settings: Settings) -> Address:
    """Return where a verified author wants the answer: Reply-To (RFC 5322, 3.6.2) if it names one.

    Of a From that nobody verified it is not followed: with the address of a customer in From and one
    of their own in Reply-To, strangers would get what is meant for the customer. Nor is one that
    nobody reads, or that is ours: the customer would be told nothing.
    """
    wanted = address(headers.first("reply-to"))
    return wanted if wanted.alone and machine.is_read(wanted, settings) else author


def _answerable(
    headers: Headers, to: Address, author: Address, subject: str, own_id: str
) -> Answerable | None:
    if not to.address:
        return None
    known = not own_id.startswith(DERIVED)  # an id that we made up is nothing to answer to
    return Answerable(
        address=to.address,
        name=to.name or author.name or "",
        subject=subject,
        reply_to=own_id if known else "",
        references=(*threading.references(headers), *((own_id,) if known else ())),
    )


def _original(mail: Mail) -> bytes:
    if mail.raw is not None:
        return mail.raw
    return (mail.html or mail.text).encode("utf-8", "replace")


def _time(mail: Mail, now: int) -> times.Stated:
    """Return when the message was written; of a clock that is wrong, when it was first received."""
    stated = times.stated(mail.date)
    if stated.at is None or stated.at > now + _WRONG_CLOCK_MS:
        received = mail.headers.all("received")
        first = times.stated(received[-1].rpartition(";")[2]) if received else times.UNSTATED
        return first if first.at is not None else stated
    return stated


def _attributes(mail: Mail, envelope: Envelope, report: bounces.Report | None) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    delivered = mail.headers.first("delivered-to") or mail.headers.first("x-original-to")
    ours = envelope.recipients[0] if envelope.recipients else delivered
    mailbox = clean_line(address(ours).local.partition("+")[0])[:_MAX_MAILBOX]
    if mailbox:
        found["mailbox"] = mailbox
    if report is not None and report.status:
        found["bounce_status"] = report.status
    if mail.omitted:
        found["attachments_omitted"] = mail.omitted
    return found


def _flags(
    mail: Mail, envelope: Envelope, known: Authenticity | None, *, unproven: bool
) -> tuple[Flag, ...]:
    """Return what is suspect; an automatic answer would go to whomever a forged From names."""
    spam = envelope.checks is not None and envelope.checks.spam
    if envelope.trusted and mail.headers.first("x-spam-flag").lower() == "yes":
        spam = True
    forged = unproven or (known is not None and known.dmarc == "fail")
    return (Flag.SPAM,) * spam + (Flag.UNVERIFIED_SENDER,) * forged


def _role(judged: machine.Judgement) -> Role:
    if judged.automatic:
        return Role.BOT
    return _ROLES.get(judged.origin, Role.UNKNOWN if judged.unproven else Role.CUSTOMER)
