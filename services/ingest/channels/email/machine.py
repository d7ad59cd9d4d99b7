"""Machine mail and loops: who or what wrote, and may we answer by ourselves?

Ordered rules, the first that matches sets the origin (deploy/docs/channels.md). A missed auto-reply
costs an acknowledgement too many; a person taken for a machine costs a complaint: so weak signs
(subjects, no-reply addresses, X-Auto-Response-Suppress) only forbid the automatic answer.

What says that we wrote it has to be proven, since our own answers end a case: by our token in
``X-Tocsin-Loop`` (``shared.mail_tokens``), or by a From of ours that the receiving server verified.
A mail that only claims it is a stranger's: it counts, is flagged, and gets no automatic answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from services.ingest.channels.email import bounces, threading
from services.ingest.channels.email.mail import Address, Headers, Mail, address
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.email.subject import looks_automatic
from services.ingest.channels.provider import Settings
from shared.events import Origin
from shared.mail_tokens import LOOP_HEADER, is_loop

_LOOP_HEADER = LOOP_HEADER.lower()
_AUTO_REPLY_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply-from")
_LIST_HEADERS = ("list-id", "list-unsubscribe")
_BULK = frozenset({"bulk", "list", "junk"})
_UNANSWERED = re.compile(
    r"(?:.*[-_.+])?(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|nao[-_.]?responda|noresponder|"
    r"ne[-_.]?pas[-_.]?repondre)(?:[-_.+].*)?|"
    r"owner-.*|.*-(?:request|owner|bounces|bounce)|bounces?|mailer-daemon|postmaster",
    re.IGNORECASE,
)


class Judgement(NamedTuple):
    """What a message is; ``report`` if it is about another message.

    ``unproven``: it says that it is ours, and nothing proves it. ``automatic``: it is ours, and a
    program wrote it: that is no answer of a person.
    """

    origin: Origin
    may_auto_respond: bool = True
    report: bounces.Report | None = None
    unproven: bool = False
    automatic: bool = False


def relayed(headers: Headers, author: Address, settings: Settings) -> Address | None:
    """Return the person on whose behalf an allow-listed relay wrote, None if it is no relay."""
    if author.address.lower() not in _listed(settings, "relays"):
        return None
    for name in ("reply-to", "x-original-sender"):
        person = address(headers.first(name))
        if person.address and person.address.lower() != author.address.lower():
            return person
    return None


def judge(
    mail: Mail,
    author: Address,
    envelope: Envelope,
    settings: Settings,
    *,
    relay: bool,
    verified: bool = False,
) -> Judgement:
    """Return who or what wrote ``mail``.

    ``relay``: it came from a relay, for ``author``; else ``verified``: the author is who it says.
    """
    headers = mail.headers
    own = set() if relay else _listed(settings, "own_addresses")
    from_us = author.address.lower() in own
    if (from_us and verified) or _is_ours(headers, envelope, settings):
        automatic = _automatic(headers) is not None or _null_sender(headers, envelope)
        return Judgement(Origin.OWN_ECHO, may_auto_respond=False, automatic=automatic)
    returns_to_us = (envelope.sender or "").lower() in own
    claimed = from_us or returns_to_us or _claims_our_program(headers, settings)
    person = Judgement(
        Origin.HUMAN,
        may_auto_respond=not claimed and _answerable(mail, author),
        unproven=claimed,
    )
    if relay:
        return person
    null_sender = _null_sender(headers, envelope)
    report = bounces.examine(mail, author, null_sender=null_sender)
    if report is not None:
        return Judgement(report.origin, may_auto_respond=False, report=report)
    origin = _automatic(headers)
    if origin is None and null_sender:
        origin = Origin.AUTO_GENERATED
    if origin is None and _bulk(headers):
        origin = Origin.BULK
    if origin is not None:
        return Judgement(origin, may_auto_respond=False, unproven=claimed)
    return person


def _listed(settings: Settings, option: str) -> set[str]:
    return {entry.lower() for entry in settings.listed(option)}


def _is_ours(headers: Headers, envelope: Envelope, settings: Settings) -> bool:
    token, own_id = headers.first(_LOOP_HEADER), threading.message_id(headers.first("message-id"))
    secrets = settings.listed("thread_secret")
    if not (token and own_id and secrets):
        return False
    thread = threading.thread_id(headers, own_id, envelope.recipients, secrets)
    return is_loop(secrets, token, own_id, thread)


def _claims_our_program(headers: Headers, settings: Settings) -> bool:
    domain = settings.option("own_domain").lower()
    own_id = threading.message_id(headers.first("message-id"))
    return _LOOP_HEADER in headers or (bool(domain) and own_id.endswith(f"@{domain}"))


def _null_sender(headers: Headers, envelope: Envelope) -> bool:
    if envelope.sender is not None:
        return not envelope.sender.strip("<> ")
    return headers.first("return-path").replace(" ", "") == "<>"


def _automatic(headers: Headers) -> Origin | None:
    submitted = headers.first("auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
    if submitted and submitted != "no":
        return Origin.AUTO_REPLY if submitted == "auto-replied" else Origin.AUTO_GENERATED
    marked = any(headers.first(name).lower() not in {"", "no"} for name in _AUTO_REPLY_HEADERS)
    if marked or _precedence(headers) in {"auto_reply", "auto-reply"}:
        return Origin.AUTO_REPLY
    suppressed = "all" in headers.first("x-auto-response-suppress").lower()
    if suppressed and "x-ms-exchange-inbox-rules-loop" in headers:
        return Origin.AUTO_REPLY
    return None


def _bulk(headers: Headers) -> bool:
    return _precedence(headers) in _BULK or any(name in headers for name in _LIST_HEADERS)


def _precedence(headers: Headers) -> str:
    return headers.first("precedence").lower()


def is_read(by: Address, settings: Settings) -> bool:
    """Tell whether somebody other than us may read what is written to an address."""
    own = by.address.lower() in _listed(settings, "own_addresses")
    return bool(by.address) and not own and _UNANSWERED.fullmatch(by.local) is None


def _answerable(mail: Mail, author: Address) -> bool:
    suppress = mail.headers.first("x-auto-response-suppress").lower()
    if suppress not in {"", "none"} or looks_automatic(mail.subject):
        return False
    return bool(author.address) and _UNANSWERED.fullmatch(author.local) is None
