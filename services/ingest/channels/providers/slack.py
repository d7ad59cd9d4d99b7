"""Slack: messages of channels that customers are in (Slack, "Events API").

``{type event_callback, team_id, api_app_id, event{type message, subtype, channel, user, text, ts,
thread_ts, …}}``; ``ts`` is time and id of a message within its channel. Signed with
``X-Slack-Signature: v0=<hex HMAC of v0:timestamp:body>``; a request that is not answered within 3 s
comes again. The address is proven by a signed ``url_verification``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from services.ingest.channels.gathering import delivered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Reply,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.social.mrkdwn import to_text
from services.ingest.channels.social.parts import Part, each, required
from services.ingest.channels.times import stated
from shared.events import Attachment, Channel, Flag, Medium, Operation, Origin, Role
from shared.signatures import check_slack

_SAID = frozenset(
    {None, "bot_message", "me_message", "file_share", "thread_broadcast", "assistant_app_thread"}
)
_VERIFICATION = b'"url_verification"'


class Profile(msgspec.Struct, frozen=True):
    """How somebody is called."""

    display_name: str | None = None
    real_name: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file; it can be had with our token only."""

    name: str | None = None
    mimetype: str | None = None
    size: int | None = None
    permalink: str | None = None


class Edited(msgspec.Struct, frozen=True):
    """When a message got the text that it has."""

    ts: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A message, also the one within ``message_changed`` and ``message_deleted``."""

    ts: str | None = None
    subtype: str | None = None
    text: str | None = None
    user: str | None = None
    user_team: str | None = None
    user_profile: Profile | None = None
    username: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    thread_ts: str | None = None
    edited: Edited | None = None
    files: list[File] | None = None


class Event(Message, frozen=True):
    """An event; of a change ``message`` is the message as it is now."""

    type: str | None = None
    channel: str | dict[str, msgspec.Raw] | None = None
    channel_type: str | None = None
    deleted_ts: str | None = None
    message: Message | None = None
    previous_message: Message | None = None


class Account(msgspec.Struct, frozen=True):
    """On whose behalf the application sees an event."""

    user_id: str | None = None
    is_bot: bool = False


class Envelope(msgspec.Struct, frozen=True):
    """A request."""

    type: str
    challenge: str | None = None
    team_id: str | None = None
    api_app_id: str | None = None
    authorizations: list[Account] | None = None
    event: msgspec.Raw = msgspec.Raw()


class Us(msgspec.Struct, frozen=True):
    """Who is on our side: the application, its bots, colleagues, whole workspaces."""

    app: str | None = None
    users: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature over time and body."""
    check_slack(
        credentials.secrets,
        hook.body,
        hook.header("x-slack-request-timestamp"),
        hook.header("x-slack-signature"),
        hook.now,
    )
    return Proof("slack-v0")


def challenge(hook: Hook, credentials: Credentials, settings: Settings) -> Reply | None:
    """Return the challenge of a signed ``url_verification``."""
    if hook.method != "POST" or _VERIFICATION not in hook.body:
        return None
    verify(hook, credentials, settings)
    try:
        envelope = read_json(hook.body, Envelope)
    except Rejected:
        return None
    if envelope.type != "url_verification":
        return None
    return Reply(body=(envelope.challenge or "").encode("utf-8", "replace"))


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the message of the event."""
    envelope = read_json(hook.body, Envelope)
    if envelope.type != "event_callback":
        ping = envelope.type == "url_verification"
        return Delivery(ignored=(Ignored.PING if ping else Ignored.STATUS,))
    bots = {one.user_id for one in envelope.authorizations or () if one.is_bot and one.user_id}
    us = Us(
        app=envelope.api_app_id,
        users=frozenset({*bots, *settings.listed("agents")}),
        teams=frozenset(settings.listed("teams")),
    )
    return delivered(each([envelope.event], Event, partial(_parts, us)))


def _parts(us: Us, event: Event) -> Iterator[Part]:
    if event.type in {"reaction_added", "reaction_removed"}:
        yield Ignored.REACTION
    elif event.type not in {"message", "app_mention"}:
        yield Ignored.UNSUPPORTED
    elif event.subtype == "message_deleted":
        before = event.previous_message or Message()
        yield _deletion(us, event, event.deleted_ts or before.ts, before)
    elif event.subtype == "message_changed" and event.message is not None:
        yield _change(us, event, event.message)
    elif event.subtype in _SAID:
        yield _item(us, event, event)
    else:  # somebody came, went, or renamed something
        yield Ignored.STATUS


def _change(us: Us, event: Event, message: Message) -> Part:
    if message.subtype == "tombstone":  # a deleted message that has answers
        return _deletion(us, event, message.ts, event.previous_message or message)
    if message.subtype not in _SAID:
        return Ignored.STATUS
    before = event.previous_message
    if before is not None and before.text == message.text:
        return Ignored.STATUS  # a link got its preview, or somebody answered
    edited = (message.edited or Edited()).ts
    at = stated(edited)
    return msgspec.structs.replace(
        _item(us, event, message), op=Operation.UPDATE, revision=edited, edited_at=at.at
    )


def _deletion(us: Us, event: Event, ts: str | None, before: Message) -> Item:
    known = _item(us, event, msgspec.structs.replace(before, ts=ts))
    return msgspec.structs.replace(known, op=Operation.DELETE, text="", attachments=())


def _item(us: Us, event: Event, message: Message) -> Item:
    channel = required("channel", event.channel if isinstance(event.channel, str) else None)
    ts = required("ts", message.ts)
    parent = message.thread_ts if message.thread_ts != ts else None
    direct = event.channel_type == "im"  # one conversation, threads or not
    medium = Medium.POST if parent is None else Medium.COMMENT
    at = stated(ts)
    role = _role(us, message)
    author = message.user or message.bot_id
    profile = message.user_profile or Profile()
    return Item(
        native_id=f"{channel}:{ts}",
        channel=Channel.SOCIAL,
        medium=Medium.DIRECT_MESSAGE if direct else medium,
        text=to_text(message.text or ""),
        thread_id=channel if direct else f"{channel}:{parent or ts}",
        parent_id=parent and f"{channel}:{parent}",
        occurred_at=at.at,
        time_quality=at.quality,
        author=author,
        author_verified=author is not None,
        display_name=profile.display_name or profile.real_name or message.username,
        role=role,
        origin=_ORIGINS.get(role, Origin.HUMAN),
        attachments=tuple(
            Attachment(name=file.name, media_type=file.mimetype, size=file.size, url=file.permalink)
            for file in message.files or ()
        ),
        flags=(Flag.PRIVATE,),
    )


_ORIGINS = {Role.AGENT: Origin.OWN_ECHO, Role.BOT: Origin.AUTO_GENERATED}


def _role(us: Us, message: Message) -> Role:
    ours = message.app_id is not None and message.app_id == us.app
    if ours or message.user in us.users or message.user_team in us.teams:
        return Role.AGENT
    return Role.BOT if message.bot_id or message.subtype == "bot_message" else Role.CUSTOMER


PROVIDER = Provider(
    name="slack",
    title="Slack",
    channel=Channel.SOCIAL,
    capability=Capability(
        redelivery_s=DAY_S,
        history_s=90 * DAY_S,  # conversations.history; workspaces that pay keep everything
        reply_max_chars=40_000,
        reply_edit_allowed=True,
    ),
    secret="the signing secret of the application (Basic Information)",
    verify=verify,
    parse=parse,
    challenge=challenge,
    reply=Reply(),
    options={
        "agents": "user ids of colleagues (U…): what they write are answers",
        "teams": "workspace ids (T…) whose people all are colleagues",
    },
)
