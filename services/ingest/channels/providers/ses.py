"""Amazon SES through SNS: received mail, bounces and complaints, signed by SNS.

Vendor pages "Contents of notifications for Amazon SES email receiving" and "Amazon SNS notification
contents for Amazon SES". The receipt rule must have an SNS action (best with base64): with an S3
action there is no mail in the notification, and it becomes a dead letter that says so. Raw message
delivery must be off: it leaves nothing that is signed.

A subscription is confirmed by a person, in the console or with ``aws sns confirm-subscription`` and
the token of the request: its ``SubscribeURL`` is neither called nor logged.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from services.ingest.channels import sns
from services.ingest.channels.email import threading
from services.ingest.channels.email.mail import Headers
from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import OPTIONS, Checks, Envelope
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.mailhook import one_message
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Origin, Role
from shared.mail_tokens import thread_of
from shared.signatures import Unauthentic

_WORDS = {"PASS": "pass", "FAIL": "fail", "GRAY": "none", "PROCESSING_FAILED": "temperror"}
_SETUP = "Successfully validated SNS topic"


class _Verdict(msgspec.Struct, frozen=True):
    status: str = ""

    @property
    def word(self) -> str | None:
        """Return the verdict in the words of RFC 8601."""
        return _WORDS.get(self.status)


class _Action(msgspec.Struct, frozen=True):
    type: str = ""
    encoding: str | None = None


class _Receipt(msgspec.Struct, frozen=True, rename="camel"):
    recipients: tuple[str, ...] = ()
    spam_verdict: _Verdict = _Verdict()
    virus_verdict: _Verdict = _Verdict()
    spf_verdict: _Verdict = _Verdict()
    dkim_verdict: _Verdict = _Verdict()
    dmarc_verdict: _Verdict = _Verdict()
    action: _Action = _Action()


class _Header(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class _Mail(msgspec.Struct, frozen=True, rename="camel"):
    source: str | None = None
    message_id: str | None = None
    headers: tuple[_Header, ...] = ()


class _Recipient(msgspec.Struct, frozen=True, rename="camel"):
    status: str | None = None
    diagnostic_code: str | None = None


class _Report(msgspec.Struct, frozen=True, rename="camel"):
    """A bounce or a complaint: the fields that we use are told apart by their names."""

    feedback_id: str = ""
    timestamp: str | None = None
    bounce_type: str | None = None
    bounced_recipients: tuple[_Recipient, ...] = ()
    complained_recipients: tuple[_Recipient, ...] = ()
    complaint_feedback_type: str | None = None


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    notification_type: str | None = None
    event_type: str | None = None
    mail: _Mail = _Mail()
    receipt: _Receipt = _Receipt()
    content: str | None = None
    bounce: _Report | None = None
    complaint: _Report | None = None


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:
    """Check the signature of SNS and that the topic is ours."""
    try:
        notice = read_json(hook.body, sns.Notice)
    except Rejected as rejected:
        raise Unauthentic(f"it is no notification of SNS ({rejected.reason})") from rejected
    sns.verify(notice, credentials, settings.listed("topic_arns"), hook.now)
    return Proof(f"sns rsa v{notice.signature_version}")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the one message or report of the request."""
    notice = read_json(hook.body, sns.Notice)
    if notice.type in sns.CONFIRMATIONS or notice.message.startswith(_SETUP):
        return Delivery(ignored=(Ignored.PING,))
    message = read_json(notice.message, _Message)
    kind = message.notification_type or message.event_type
    if kind == "Received":
        return one_message(lambda: _mail(message, settings, hook.now), hook.body)
    if kind in {"Bounce", "Complaint"}:
        return one_message(lambda: _report(message), hook.body)
    return Delivery(ignored=(Ignored.STATUS if kind else Ignored.UNSUPPORTED,))


def _mail(message: _Message, settings: Settings, now: int) -> Item:
    receipt = message.receipt
    if message.content is None:
        raise Rejected(
            Refusal.MISSING_FIELD,
            f"content: the mail is not in the notification (action {receipt.action.type or '?'});"
            " give the receipt rule an SNS action",
        )
    envelope = Envelope(
        sender=message.mail.source,
        recipients=receipt.recipients,
        checks=Checks(
            method="ses",
            spf=receipt.spf_verdict.word,
            dkim=receipt.dkim_verdict.word,
            dmarc=receipt.dmarc_verdict.word,
            spam="FAIL" in {receipt.spam_verdict.status, receipt.virus_verdict.status},
        ),
    )
    return parse_message(_content(message), envelope, settings, now)


def _content(message: _Message) -> bytes:
    content = message.content or ""
    if (message.receipt.action.encoding or "").upper() != "BASE64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected(Refusal.BAD_VALUE, "content: malformed base64") from error


def _report(message: _Message) -> Item:
    """Return the item about a mail of ours that did not arrive, or was called spam.

    It has no author: nobody wrote it. Which mail it is about is known if the identity includes the
    original headers in its notifications.
    """
    report = message.bounce or message.complaint
    if report is None or not report.feedback_id:
        raise Rejected(Refusal.MISSING_FIELD, "bounce or complaint, with its feedbackId")
    recipients = report.bounced_recipients or report.complained_recipients
    lines = (recipient.diagnostic_code for recipient in recipients)
    status = next((recipient.status for recipient in recipients if recipient.status), None)
    headers = Headers.of((header.name, header.value) for header in message.mail.headers)
    about = threading.message_id(headers.first("message-id"))
    origin = _origin(message)
    at, quality = stated(report.timestamp)
    return Item(
        native_id=report.feedback_id,
        channel=Channel.EMAIL,
        medium=Medium.EMAIL,
        text="\n".join(filter(None, [report.complaint_feedback_type, *lines])) or origin.value,
        thread_id=thread_of([*threading.references(headers), about][0]) if about else None,
        parent_id=about or None,
        occurred_at=at,
        time_quality=quality,
        attributes={"bounce_status": status} if status else {},
        role=Role.BOT,
        origin=origin,
        may_auto_respond=False,
    )


def _origin(message: _Message) -> Origin:
    if message.bounce is None:
        return Origin.ABUSE_REPORT
    permanent = message.bounce.bounce_type == "Permanent"
    return Origin.BOUNCE_HARD if permanent else Origin.BOUNCE_SOFT


PROVIDER = Provider(
    name="ses",
    title="Amazon SES (through SNS)",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=86_400),
    secret="none: SNS signs with a certificate; topic_arns says which topics are ours",
    secret_from=SecretFrom.NOBODY,
    max_body=1_000_000,
    verify=verify,
    parse=parse,
    options={**OPTIONS, "topic_arns": "required: the topics that are taken, by ARN"},
)
