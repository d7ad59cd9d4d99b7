"""Reports of mail systems: delivery failures, receipts, abuse reports (RFC 3464, 8098, 5965).

What is stated in the structure decides; heuristics over the text are only asked when the sender, the
return path or the subject say that a mail system wrote, so prose about failed deliveries stays prose.
"""

from __future__ import annotations

import logging
import re
from email.message import Message
from typing import NamedTuple

from flufl.bounce import all_failures

from services.ingest.channels.email import standard
from services.ingest.channels.email.mail import Address, Mail
from services.ingest.channels.email.subject import Kind, kind
from services.ingest.channels.email.threading import message_id
from shared.events import Origin

_SEARCHED = 65_536
# It logs a traceback for every mail that one of its detectors fails on: anybody could fill a disk.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
_DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|postmaster|mdaemon|mail[-_.]?daemon|ndr|mail\.delivery\.system|"
    r"system administrator)\b.*",
    re.IGNORECASE,
)
_DAEMON_NAME = re.compile(
    r"(?:mail )?delivery (?:sub)?system|mail delivery service|mailer[- ]daemon|postmaster|"
    r"jetmail system|mail system",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver(?:ed|able)|non[- ]?(?:delivery|remis)|(?:mail|message|e-?mail) (?:delivery|system) "
    r"(?:failed|failure|error|problem)|(?:mail|message) (?:could not be|not|error)(?: delivered)?\b|"
    r"delivery (?:status notification|fail(?:ed|ure)|report|delayed|notification)|"
    r"returned (?:mail|to sender)|(?:permanent|temporary) delivery|failure (?:notice|delivery)|"
    r"fail(?:ed|ure) mail|unzustellbar|unrecoverable error|impossible de remettre|non remis|"
    r"no se pudo entregar|mensaje no entregado|não foi possível entregar|não entregue|"
    r"mancato recapito|niet besteld|mail (?:failed|error)|rejected mail|сообщение не доставлено",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"created automatically by mail delivery software|(?:could|can) ?not be delivered to|"
    r"mail could not be delivered|delivery to the following recipients? failed|"
    r"cannot be delivered to the following|unable to deliver (?:your )?message to|"
    r"undelivered|permanent (?:fatal )?errors?|returned to sender|delivery (?:has )?failed|"
    r"did not reach the following|wasn't able to deliver|could not deliver your message",
    re.IGNORECASE,
)
_SOFT = re.compile(
    r"delayed|still being (?:re)?tried|delivery attempts will continue|has not yet been delivered|"
    r"will (?:be retried|keep trying|retry)|mailbox (?:is )?full|over ?quota|quota exceeded|"
    r"box space not enough|temporar",
    re.IGNORECASE,
)
_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?([a-z-]{1,40})")
_STATUS = re.compile(r"(?im)^status:\s*([245])\.(\d{1,3})\.(\d{1,3})")
_ACTION = re.compile(r"(?im)^action:\s*([a-z]{1,20})")
_TEXT_STATUS = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])([45])[0-5]\d[ -](?=\D)")
_ORIGINAL_ID = re.compile(r"(?im)^(?:original-)?message-id:\s*(<[^<>\s]{1,500}>)")
_REFERENCES = re.compile(r"(?im)^references:\s{0,8}(<[^<>\s]{1,500}>)")
_RELAYED = frozenset({"delivered", "relayed", "expanded"})


class Report(NamedTuple):
    """What a report of a mail system says; ``original`` is the Message-ID of the mail it is about,
    ``root`` that of the message which began its conversation.
    """

    origin: Origin
    status: str | None = None
    original: str | None = None
    root: str | None = None


def examine(mail: Mail, author: Address, *, null_sender: bool) -> Report | None:
    """Return the report that ``mail`` is, None if it is none."""
    structured = _structured(mail)
    if structured is not None:
        return structured
    if "x-failed-recipients" in mail.headers:
        return _bounce(mail, _recipients(mail))
    daemon = _is_daemon(mail, author)
    announced = _SUBJECT.search(mail.subject[:500]) is not None
    if kind(mail.subject) is Kind.FORWARD or not (daemon or null_sender or announced):
        return None
    failures = _recipients(mail)
    text = mail.text or mail.html
    phrase = _PHRASE.search(text[:_SEARCHED]) is not None
    about = any(
        part.media_type in {"message/rfc822", "text/rfc822-headers"} for part in mail.reports
    )
    if failures or (phrase and (daemon or null_sender or about)) or (daemon and announced):
        return _bounce(mail, failures)
    return None


class _Failures(NamedTuple):
    temporary: int
    permanent: int

    def __bool__(self) -> bool:
        return self.temporary + self.permanent > 0


def _is_daemon(mail: Mail, author: Address) -> bool:
    return (
        _DAEMON.match(author.local.strip('"')) is not None
        or _DAEMON_NAME.fullmatch(author.name or "") is not None
        or ("<>" in mail.sender and _DAEMON_NAME.search(mail.sender[:200]) is not None)
    )


def _structured(mail: Mail) -> Report | None:
    content_type = mail.headers.first("content-type")[:1000].lower()
    multipart = content_type.startswith("multipart/report")
    given = _REPORT_TYPE.search(content_type)
    if not (multipart or given or mail.reports):
        return None
    parts = {part.media_type: part.content for part in reversed(mail.reports)}
    types = {f"message/{given[1]}"} | parts.keys() if given else parts.keys()
    if "message/delivery-status" in types:
        return _delivery_status(mail, parts.get("message/delivery-status", b""))
    if "message/disposition-notification" in types:
        # Dovecot's sieve refuses mail with a receipt.
        refused = "reject" in mail.headers.first("auto-submitted").lower()
        return Report(Origin.BOUNCE_HARD if refused else Origin.RECEIPT, None, *_original(mail))
    if "message/feedback-report" in types:
        return Report(Origin.ABUSE_REPORT, None, *_original(mail))
    if not multipart:
        return None
    failures = _recipients(mail)
    return _bounce(mail, failures) if failures else Report(Origin.AUTO_GENERATED)


def _delivery_status(mail: Mail, content: bytes) -> Report:
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    actions = {action.lower() for action in _ACTION.findall(text)}
    if actions and actions <= _RELAYED:
        return Report(Origin.RECEIPT, None, *_original(mail))
    found = next((status for status in _STATUS.findall(text) if status[0] != "2"), None)
    if found is None:
        failed = _Failures(0, 1) if "failed" in actions else _Failures("delayed" in actions, 0)
        return _bounce(mail, failed or _recipients(mail))
    return Report(_origin(found[0]), ".".join(found), *_original(mail))


def _bounce(mail: Mail, failures: _Failures) -> Report:
    text = (mail.text or mail.html)[:_SEARCHED]
    found = _TEXT_STATUS.search(text)
    status = ".".join(found.groups()) if found else None
    if found:
        origin = _origin(found[1])
    elif failures:
        origin = Origin.BOUNCE_HARD if failures.permanent else Origin.BOUNCE_SOFT
    elif code := _REPLY_CODE.search(text):
        origin = _origin(code[1])
    else:
        soft = _SOFT.search(f"{mail.subject}\n{text}")
        origin = Origin.BOUNCE_SOFT if soft else Origin.BOUNCE_HARD
    return Report(origin, status, *_original(mail))


def _origin(first_digit: str) -> Origin:
    return Origin.BOUNCE_SOFT if first_digit == "4" else Origin.BOUNCE_HARD


def _original(mail: Mail) -> tuple[str | None, str | None]:
    """Return the Message-IDs of the mail that the report is about, and of the first before it."""
    texts = [part.content.decode("utf-8", "replace") for part in mail.reports]
    for text in [*texts, mail.text[:_SEARCHED]]:
        found = _ORIGINAL_ID.search(text)
        if found:
            first = _REFERENCES.search(text)
            original = message_id(found[1])
            return original, message_id(first[1]) if first else original
    return None, None


def _recipients(mail: Mail) -> _Failures:
    """Ask flufl.bounce, which knows the texts of many mail systems, how many recipients failed."""
    message = _message(mail)
    if message is None:
        return _Failures(0, 0)
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001  # its heuristics meet input that nobody has tried
        return _Failures(0, 0)
    return _Failures(len(temporary), len(permanent))


def _message(mail: Mail) -> Message | None:
    raw = mail.raw
    if raw is None:
        content_type = "text/html" if mail.html and not mail.text else "text/plain"
        raw = (
            f"From: {mail.sender}\nSubject: {mail.subject}\nContent-Type: {content_type}\n\n"
            f"{(mail.text or mail.html)[:_SEARCHED]}"
        ).encode("utf-8", "replace")
    if raw.startswith(b"From ") and b"\n" in raw[:1000]:
        raw = raw[raw.index(b"\n") + 1 :]
    raw = raw[: 2 * _SEARCHED]
    if raw.count(b"boundary") > 20 or raw.count(b"\n--") > 200:
        return None
    return standard.parsed(raw)
