"""WhatsApp Cloud API messages (Meta, "WhatsApp Business Platform: Webhooks").

Value of a change: ``{metadata{phone_number_id}, contacts[{wa_id, user_id, profile{name}}],
messages[], message_echoes[], statuses[]}``. Customers are identified by number, and by a business-scoped
user id (``US.…``) that says nothing to anybody else: only the latter may appear in a thread id.
An edit or a deletion is a message of its own that names the original.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.item import Alias, Answerable, Item
from services.ingest.channels.provider import Ignored
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.social.parts import (
    Part,
    each,
    optional,
    required,
)
from services.ingest.channels.social.whatsapp_payloads import (
    Contact,
    Content,
    Context,
    Edit,
    File,
    Interactive,
    Message,
    Number,
    Value,
)
from services.ingest.channels.times import Stated, stated
from shared.events import Attachment, Channel, Flag, Medium, Operation, Origin, Role

WHATSAPP = "whatsapp"
_MAX_ANSWERS = 100
_FILES = ("image", "video", "audio", "document", "sticker")


class _Said(msgspec.Struct, frozen=True):
    """Content in our terms."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    medium: Medium = Medium.DIRECT_MESSAGE


class _Line(msgspec.Struct, frozen=True):
    """Our number, who may be at the other end, and whose messages these are.

    ``contact`` is the only contact if there is just one.
    """

    number: str | None
    contacts: dict[str | None, Contact]
    contact: Contact
    ours: bool = False


def read(value: Value) -> Iterator[Part]:
    """Yield what is in a change of field ``messages`` or ``smb_message_echoes``."""
    contacts = value.contacts or []
    line = _Line(
        number=optional((value.metadata or Number()).phone_number_id),
        contacts={optional(contact.wa_id): contact for contact in contacts},
        contact=contacts[0] if len(contacts) == 1 else Contact(),
    )
    out = _Line(line.number, line.contacts, Contact(), ours=True)
    yield from each(value.messages, Message, lambda message: [_part(message, line)])
    yield from each(value.message_echoes, Message, lambda message: [_part(message, out)])
    yield from (Ignored.RECEIPT for _ in value.statuses or ())


def _part(message: Message, line: _Line) -> Part:
    at = stated(message.timestamp)
    if message.type == "reaction":
        return Ignored.REACTION
    if message.type == "revoke":
        item = _base(message, line, (message.revoke or Edit()).original_message_id)
        return msgspec.structs.replace(
            item, op=Operation.DELETE, edited_at=at.at, time_quality=at.quality
        )
    if message.type == "edit" and message.edit is not None:
        return _edited(message, message.edit, line, at)
    said = _said(message)
    if not isinstance(said, _Said):
        return said
    item = _base(message, line, message.id)
    return msgspec.structs.replace(
        _with(item, message, said), occurred_at=at.at, time_quality=at.quality
    )


def _edited(message: Message, edit: Edit, line: _Line, at: Stated) -> Part:
    content = edit.message or Content()
    said = _said(content)
    if not isinstance(said, _Said):
        return said
    item = _with(_base(message, line, edit.original_message_id), content, said)
    return msgspec.structs.replace(
        item,
        op=Operation.UPDATE,
        revision=None if at.at is None else str(at.at),
        edited_at=at.at,
        time_quality=at.quality,
    )


def _base(message: Message, line: _Line, native: str | None) -> Item:
    """Return the item without content; whoever wrote it, its author is the customer."""
    contact = _contact(message, line)
    user = contact.user_id
    author = _author(contact, user)
    other = message.group_id or user
    return Item(
        native_id=required("id", native),
        channel=Channel.SOCIAL,
        medium=Medium.DIRECT_MESSAGE,
        text="",
        author=author,
        author_verified=author is not None,
        display_name=contact.profile.name if contact.profile and not line.ours else None,
        aliases=(Alias(user, verified=True),) if user and user != author else (),
        role=Role.AGENT if line.ours else Role.CUSTOMER,
        origin=Origin.OWN_ECHO if line.ours else Origin.HUMAN,
        thread_id=f"{line.number}:{other}" if line.number and other else None,
        flags=(Flag.PRIVATE,),
        answerable=_answerable(message, line, optional(contact.wa_id), native),
    )


def _answerable(
    message: Message, line: _Line, to: str | None, native: str | None
) -> Answerable | None:
    """Return the way to a person; what a group says is answered in the group, which nobody asked for."""
    if to is None or line.number is None or message.group_id:
        return None
    return Answerable(address=to, via=WHATSAPP, account=line.number, reply_to=native or "")


def _contact(message: Message, line: _Line) -> Contact:
    """Return the customer's number, user id and name; the message is surer than the contacts."""
    number = optional(message.to if line.ours else message.sender)
    user = message.to_user_id if line.ours else message.from_user_id
    contact = line.contacts.get(number, line.contact)
    return Contact(number or contact.wa_id, user or contact.user_id, contact.profile)


def _author(contact: Contact, user: str | None) -> str | None:
    number = optional(contact.wa_id)
    if number is not None and number.isascii() and number.isdigit():
        return f"+{number}"
    return number or user


def _with(item: Item, content: Content, said: _Said) -> Item:
    context = content.context or Context()
    kind = content.type
    attributes: dict[str, str | int | float | bool] = {}
    if kind and kind != "text":
        attributes["kind"] = kind
    if context.forwarded or context.frequently_forwarded:
        attributes["forwarded"] = True
    return msgspec.structs.replace(
        item,
        medium=said.medium,
        text=said.text,
        parent_id=context.id,
        attachments=said.attachments,
        attributes=attributes,
    )


def _said(content: Content) -> _Said | Ignored:
    for kind in _FILES:
        file = getattr(content, kind)
        if isinstance(file, File):
            attachment = Attachment(name=file.filename, media_type=file.mime_type, url=file.url)
            return _Said(file.caption or "", (attachment,))
    if content.interactive is not None:
        return _chosen(content.interactive)
    words = _words(content)
    if words is not None:
        return _Said(words)
    return Ignored.STATUS if content.type in {"system", "request_welcome"} else Ignored.UNSUPPORTED


def _words(content: Content) -> str | None:
    body = content.text or content.button or content.order
    if body is not None:
        return body.body or body.text or ""
    if content.location is not None:
        parts = (content.location.name, content.location.address)
        return ", ".join(part for part in parts if part)
    return None if content.contacts is None else ""  # the data of others stay where they are


def _chosen(interactive: Interactive) -> _Said | Ignored:
    if interactive.nfm_reply is not None:
        return _Said(_answers(interactive.nfm_reply.response_json or ""), medium=Medium.SURVEY)
    choice = interactive.button_reply or interactive.list_reply
    if choice is None:  # permission to call, or a kind that is too new
        return Ignored.STATUS
    return _Said("\n".join(part for part in (choice.title, choice.description) if part))


def _answers(form: str) -> str:
    """Return the answers of a form, one a line; what is no object counts as one answer."""
    try:
        answers = read_json(form, dict[str, msgspec.Raw])
    except Rejected:
        return form
    lines = []
    for name, raw in list(answers.items())[:_MAX_ANSWERS]:
        answer = _answer(bytes(raw))
        if name != "flow_token" and answer:
            lines.append(f"{name}: {answer}")
    return "\n".join(lines)


def _answer(raw: bytes) -> str:
    try:
        return read_json(raw, str)
    except Rejected:
        return raw.decode("utf-8", "replace")
