"""Exports of help desks, one JSON object a line → items. Pure.

Zendesk: the JSON export of tickets, each with its ``comments`` (or the API's tickets with the comments
put in); Chatwoot: conversations with their ``messages``, a page of the messages API
(``{"meta", "payload"}``), or recorded web hooks.
"""

from __future__ import annotations

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Ignored
from services.ingest.channels.providers import chatwoot, zendesk
from services.ingest.channels.reading import Id, read_json
from shared.events import Role


class User(msgspec.Struct, frozen=True):
    """A person; the export has them in full, the API only their numbers."""

    id: Id | None = None
    name: str | None = None
    email: str | None = None


class Comment(msgspec.Struct, frozen=True):
    """A comment of a ticket."""

    id: Id
    author_id: Id | None = None
    body: str | None = None
    plain_body: str | None = None
    public: bool = True
    created_at: str | None = None


class Ticket(msgspec.Struct, frozen=True):
    """A ticket with all that was said on it."""

    id: Id
    subject: str | None = None
    description: str | None = None
    created_at: str | None = None
    via: zendesk.Via | None = None
    requester: User | None = None
    requester_id: Id | None = None
    collaborator_ids: list[Id] = []
    email_cc_ids: list[Id] = []
    comments: list[msgspec.Raw] = []

    def customer(self) -> User:
        """Return who asked."""
        return self.requester or User(self.requester_id)


class Page(msgspec.Struct, frozen=True):
    """What tells the shapes of Chatwoot apart."""

    event: str | None = None
    payload: list[msgspec.Raw] | None = None
    meta: msgspec.Raw = msgspec.Raw()
    account_id: Id | None = None
    account: chatwoot.Account | None = None
    conversation: chatwoot.Conversation | None = None


class PageMeta(msgspec.Struct, frozen=True):
    """Of a page of messages the contact."""

    contact: chatwoot.Sender | None = None


class Numbered(msgspec.Struct, frozen=True):
    """A message names its conversation."""

    conversation_id: Id | None = None


def zendesk_ticket(line: bytes) -> Delivery:
    """Return the public comments of a ticket; without any, its description.

    Raises:
        Rejected: the line is no ticket.
    """
    ticket = read_json(line, Ticket)
    if not ticket.comments:
        customer = ticket.customer()
        item = zendesk.written(
            ticket.id, f"ticket:{ticket.id}", Role.CUSTOMER, customer.id,
            text=ticket.description, title=ticket.subject, at=ticket.created_at, via=ticket.via,
            name=customer.name, email=customer.email,
        )  # fmt: skip
        return Delivery(items=(item,))
    begin = iter((True,))  # the title goes over the first that is public, and no other
    return gathered(
        ticket.comments,
        Comment,
        lambda given: (
            _comment(given, ticket, first=next(begin, False)) if given.public else Ignored.OWN
        ),
    )


def _comment(comment: Comment, ticket: Ticket, *, first: bool) -> Item:
    customer = ticket.customer()
    role = Role.AGENT
    if comment.author_id is None or comment.author_id == customer.id:
        role = Role.CUSTOMER
    elif comment.author_id in {*ticket.collaborator_ids, *ticket.email_cc_ids}:
        role = Role.UNKNOWN
    known = role is Role.CUSTOMER
    return zendesk.written(
        ticket.id, f"comment:{comment.id}", role, comment.author_id or customer.id,
        text=comment.body or comment.plain_body, at=comment.created_at, via=ticket.via,
        title=ticket.subject if first and known else None,
        name=customer.name if known else None, email=customer.email if known else None,
    )  # fmt: skip


def chatwoot_line(line: bytes) -> Delivery:
    """Return the messages of a conversation, of a page of the API, or of a recorded web hook.

    Raises:
        Rejected: the line is none of these.
    """
    page = read_json(line, Page)
    account = page.account.id if page.account else page.account_id
    if page.event is not None:
        return chatwoot.event(line)
    if page.payload is not None:
        messages = [bytes(raw) for raw in page.payload]
        contact = read_json(bytes(page.meta), PageMeta).contact if bytes(page.meta) else None
        number = read_json(messages[0], Numbered).conversation_id if messages else None
        conversation = chatwoot.Conversation(id=number, meta=chatwoot.Meta(contact))
        return chatwoot.delivery(messages, conversation, account)
    conversation = read_json(line, chatwoot.Conversation)
    return chatwoot.delivery([bytes(raw) for raw in conversation.messages], conversation, account)
