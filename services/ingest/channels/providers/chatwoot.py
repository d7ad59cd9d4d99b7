"""Chatwoot account and API-channel web hooks (chatwoot/chatwoot: ``Message#webhook_data``,
``Conversations::EventDataPresenter``).

Signed since version 4: ``X-Chatwoot-Signature: sha256=<hex HMAC of timestamp.body>``. The secret of an
API channel may differ from the account's (issue 13809): configure both. A message is updated for
every receipt too; the same content is the same revision, so that is no new feedback.
"""

from __future__ import annotations

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Alias, Item
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Settings,
)
from services.ingest.channels.reading import Id, read_json
from services.ingest.channels.times import stated
from shared.events import Attachment, Channel, Medium, Operation, Origin, Rating, Role
from shared.signatures import check_age, check_hmac, require, seconds


class Account(msgspec.Struct, frozen=True):
    """The account, which the numbers of conversations belong to."""

    id: Id | None = None


class Sender(msgspec.Struct, frozen=True):
    """A contact, a user (an agent) or a bot."""

    id: Id | None = None
    type: str | None = None
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    identifier: str | None = None

    def aliases(self) -> tuple[Alias, ...]:
        """Return address and number. Anybody can state them, and agents enter them: not verified."""
        number = (Alias(f"tel:{self.phone_number.strip()}"),) if self.phone_number else ()
        return Alias.of_email(self.email) + number


class Meta(msgspec.Struct, frozen=True):
    """Of a conversation the contact."""

    sender: Sender | None = None


class File(msgspec.Struct, frozen=True):
    """An attachment."""

    file_type: str | None = None
    data_url: str | None = None
    file_size: int | None = None

    def attachment(self) -> Attachment:
        """Return what is told about it."""
        return Attachment(media_type=self.file_type, url=self.data_url, size=self.file_size)


class Survey(msgspec.Struct, frozen=True):
    """The answer to a satisfaction survey, 1 to 5."""

    rating: int | None = None
    feedback_message: str | None = None

    def stars(self) -> Rating | None:
        """Return the rating."""
        if self.rating is None or not 1 <= self.rating <= 5:
            return None
        return Rating(value=self.rating)


class Submitted(msgspec.Struct, frozen=True):
    """What a survey got."""

    csat_survey_response: Survey | None = None


class Details(msgspec.Struct, frozen=True):
    """``content_attributes``; what was submitted is an object for a survey, a list for other forms."""

    deleted: bool = False
    submitted_values: msgspec.Raw = msgspec.Raw()


class Message(msgspec.Struct, frozen=True):
    """A message; the kind is a word in web hooks and a number within conversations."""

    id: Id
    content: str | None = None
    message_type: Id | None = None
    content_type: str | None = None
    content_attributes: Details | None = None
    private: bool | None = None
    created_at: str | int | float | None = None
    sender: Sender | None = None
    attachments: list[File] | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A conversation; ``id`` is the number that people see, unique within the account."""

    id: Id | None = None
    channel: str | None = None
    meta: Meta | None = None
    messages: list[msgspec.Raw] = []


class Head(msgspec.Struct, frozen=True):
    """What every event has."""

    event: str = ""
    account: Account | None = None
    conversation: Conversation | None = None


_WORDS = ("incoming", "outgoing", "activity", "template")
_KINDS: dict[Id, str] = {**dict(enumerate(_WORDS)), **{word: word for word in _WORDS}}
_PLACES = {
    "Channel::Email": (Channel.EMAIL, Medium.EMAIL),
    "Channel::Sms": (Channel.PHONE, Medium.SMS),
    "Channel::TwilioSms": (Channel.PHONE, Medium.SMS),
    "Channel::Whatsapp": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "Channel::FacebookPage": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "Channel::Instagram": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "Channel::TwitterProfile": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "Channel::Telegram": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "Channel::Line": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
}
_ELSEWHERE = (Channel.OTHER, Medium.DIRECT_MESSAGE)


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature over time and body."""
    timestamp = hook.header("x-chatwoot-timestamp")
    check_age(seconds(timestamp), hook.now)
    algorithm, _, digest = hook.header("x-chatwoot-signature").partition("=")
    require(algorithm == "sha256", "the signature is missing")
    check_hmac(credentials.secrets, timestamp.encode() + b"." + hook.body, digest)
    return Proof("chatwoot-sha256")


def parse(hook: Hook, _settings: Settings) -> Delivery:
    """Return the message of an event, or those that a new conversation begins with."""
    return event(hook.body)


def event(body: bytes) -> Delivery:
    """Return what is in the ``body`` of a web hook.

    Raises:
        Rejected: it is no event.
    """
    head = read_json(body, Head)
    account = head.account.id if head.account else None
    if head.event in {"message_created", "message_updated"}:
        return delivery([body], head.conversation or Conversation(), account)
    if head.event == "conversation_created":
        conversation = read_json(body, Conversation)
        if conversation.messages:
            found = [bytes(message) for message in conversation.messages]
            return delivery(found, conversation, account)
    return Delivery(ignored=(Ignored.STATUS,))


def delivery(messages: list[bytes], conversation: Conversation, account: Id | None) -> Delivery:
    """Return what is in the ``messages`` of a conversation."""
    return gathered(messages, Message, lambda given: _item(given, conversation, account))


def _item(message: Message, conversation: Conversation, account: Id | None) -> Item | Ignored:
    details = message.content_attributes or Details()
    survey, kind = _survey(details), _KINDS.get(message.message_type or 0)
    if message.private:
        return Ignored.OWN
    if kind == "template" and survey is None:
        return Ignored.OWN
    if kind not in {"incoming", "outgoing", "template"}:
        return Ignored.STATUS
    text = (survey.feedback_message if survey else message.content) or ""
    if not (text or message.attachments or survey or details.deleted):
        return Ignored.STATUS
    ours = kind == "outgoing"
    writer = message.sender if ours else _contact(message, conversation)
    writer = writer or Sender()
    channel, medium = _PLACES.get(conversation.channel or "", _ELSEWHERE)
    time = stated(message.created_at)
    role = Role.CUSTOMER
    if ours:
        role = Role.BOT if writer.type == "agent_bot" else Role.AGENT
    return Item(
        native_id=f"message:{message.id}",
        channel=channel,
        medium=Medium.SURVEY if survey else medium,
        op=Operation.DELETE if details.deleted else Operation.CREATE,
        text="" if details.deleted else text,
        rating=survey.stars() if survey else None,
        thread_id=None if conversation.id is None else f"{account or 0}:{conversation.id}",
        # A conversation states whole seconds, a message fractions: the same has to be the same.
        occurred_at=None if time.at is None else time.at // 1000 * 1000,
        time_quality=time.quality,
        attachments=tuple(file.attachment() for file in message.attachments or ()),
        author=None if writer.id is None else f"{writer.type or 'contact'}:{writer.id}",
        display_name=writer.name,
        aliases=() if ours else writer.aliases(),
        role=role,
        origin=Origin.OWN_ECHO if ours else Origin.HUMAN,
    )


def _contact(message: Message, conversation: Conversation) -> Sender | None:
    """Return the customer, as the conversation knows them: it says the same in every event."""
    if conversation.meta is not None and conversation.meta.sender is not None:
        return conversation.meta.sender
    return message.sender


def _survey(details: Details) -> Survey | None:
    raw = bytes(details.submitted_values)
    return read_json(raw, Submitted).csat_survey_response if raw.startswith(b"{") else None


PROVIDER = Provider(
    name="chatwoot",
    title="Chatwoot",
    channel=Channel.OTHER,
    capability=Capability(redelivery_s=DAY_S),
    secret="the secret of the web hook; one more for an API channel that has its own",
    verify=verify,
    parse=parse,
)
