"""Webhook values of the WhatsApp Cloud API, the fields that we use; all of them may be missing."""

from __future__ import annotations

import msgspec

from services.ingest.channels.social.parts import Id, Raws, Time


class Name(msgspec.Struct, frozen=True):
    """How a customer calls himself."""

    name: str | None = None


class Contact(msgspec.Struct, frozen=True):
    """A customer."""

    wa_id: Id | None = None
    user_id: str | None = None
    profile: Name | None = None


class Number(msgspec.Struct, frozen=True):
    """Our number."""

    phone_number_id: Id | None = None


class Value(msgspec.Struct, frozen=True):
    """A change; every list may be missing."""

    metadata: Number | None = None
    contacts: list[Contact] | None = None
    messages: Raws = None
    message_echoes: Raws = None
    statuses: Raws = None


class Body(msgspec.Struct, frozen=True):
    """Text of a message, or of the message that an order comes with."""

    body: str | None = None
    text: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file; its ``url`` works with our access token only, and not for long."""

    caption: str | None = None
    filename: str | None = None
    mime_type: str | None = None
    url: str | None = None


class Place(msgspec.Struct, frozen=True):
    """A place that was sent; where it is exactly is none of our business."""

    name: str | None = None
    address: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """What was chosen, by its label."""

    title: str | None = None
    description: str | None = None


class Form(msgspec.Struct, frozen=True):
    """A form that was filled in: ``response_json`` is an object as text."""

    response_json: str | None = None


class Interactive(msgspec.Struct, frozen=True):
    """An answer to a message with buttons, a list or a form."""

    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: Form | None = None


class Context(msgspec.Struct, frozen=True):
    """The message that this one answers, or that it was passed on."""

    id: str | None = None
    forwarded: bool | None = None
    frequently_forwarded: bool | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says; one of the fields is set, the one that ``type`` names."""

    type: str | None = None
    context: Context | None = None
    text: Body | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Place | None = None
    contacts: Raws = None
    order: Body | None = None
    button: Body | None = None
    interactive: Interactive | None = None


class Edit(msgspec.Struct, frozen=True):
    """The new content of another message."""

    original_message_id: str | None = None
    message: Content | None = None


class Message(Content, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message; ``to`` is set in those that we sent."""

    id: str | None = None
    sender: Id | None = None
    from_user_id: str | None = None
    to: Id | None = None
    to_user_id: str | None = None
    group_id: str | None = None
    timestamp: Time = None
    edit: Edit | None = None
    revoke: Edit | None = None
