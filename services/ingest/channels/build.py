"""Item → FeedbackReceived: content hash, revision and id. Pure and deterministic."""

from __future__ import annotations

import hashlib

import msgspec

from services.ingest.channels.generic import RESERVED_PREFIX
from services.ingest.channels.identity import public_author
from services.ingest.channels.item import Item
from services.ingest.channels.normalise import Normalised
from shared import ids
from shared.events import FeedbackReceived, Flag, Operation, RawReference

REVISION_DIGITS = 16
MAX_REVISION = 128
SKEW_MS = 5_000
DELETED = "deleted"
"""The revision of a deletion whose platform does not number it."""

STATED_TIME = RESERVED_PREFIX + "occurred_at"
"""Attribute that keeps a stated time which lay further in the future than clocks differ."""

_content = msgspec.json.Encoder(order="deterministic")


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What binds an item to an installation, a source and a customer.

    ``content`` is the ``content_hash`` of the item as it came in, before anything was redacted.
    """

    tenant: str
    source: str
    customer_key: str
    content: str
    now: int
    provider: str = ""
    flags: tuple[Flag, ...] = ()
    raw: RawReference | None = None


def build(found: Normalised, binding: Binding) -> FeedbackReceived:
    """Return the event of an item.

    The revision is the platform's, else derived from the content: the same delivery has the same id
    for ever, and an edited item is a new feedback with the same ``native_id``. ``now`` influences only
    ``received_at`` and the clamping of a time in the future.
    """
    item = found.item
    revision = _revision(item, binding.content)
    occurred_at, attributes = _clamped(item, binding.now)
    return FeedbackReceived(
        feedback_id=ids.feedback_id(binding.tenant, binding.source, item.native_id, revision),
        tenant=binding.tenant,
        source=binding.source,
        channel=item.channel,
        native_id=item.native_id,
        record_key=ids.record_key(binding.tenant, binding.customer_key),
        customer_key=binding.customer_key,
        received_at=binding.now,
        text=item.text,
        revision=revision,
        thread_id=item.thread_id,
        occurred_at=occurred_at,
        language=found.language,
        rating=item.rating,
        author=public_author(item),
        truncated=item.truncated,
        content_hash=binding.content,
        attributes=attributes,
        op=item.op,
        provider=binding.provider,
        medium=item.medium,
        title=item.title,
        parent_id=item.parent_id,
        url=item.url,
        edited_at=item.edited_at,
        time_quality=item.time_quality,
        language_source=found.language_source,
        language_confidence=found.language_confidence,
        turns=item.turns,
        call=item.call,
        attachments=item.attachments,
        engagement=item.engagement,
        product=item.product,
        authenticity=item.authenticity,
        origin=item.origin,
        may_auto_respond=item.may_auto_respond,
        flags=tuple(dict.fromkeys((*item.flags, *binding.flags))),
        redacted=found.redacted,
        raw=binding.raw,
    )


def content_hash(item: Item, customer: str, key: bytes) -> str:
    """Return 32 hex digits over all that was stated, with the pseudonym in the author's place.

    Keyed, since a number that was redacted could be found by trying them all. What changes without
    anybody writing anything (likes, checks of the mail server) stays out.
    """
    stated = (
        item.channel,
        item.text,
        customer,
        item.thread_id,
        item.occurred_at,
        item.language,
        item.rating,
        item.attributes,
        item.op,
        item.title,
        item.turns,
        item.call,
        item.attachments,
    )
    return hashlib.blake2b(_content.encode(stated), digest_size=16, key=key).hexdigest()


def _revision(item: Item, content: str) -> str:
    if item.revision:
        if len(item.revision) <= MAX_REVISION:
            return item.revision
        return hashlib.blake2b(
            item.revision.encode("utf-8", "surrogatepass"), digest_size=16
        ).hexdigest()
    return DELETED if item.op is Operation.DELETE else content[:REVISION_DIGITS]


def _clamped(item: Item, now: int) -> tuple[int | None, dict[str, str | int | float | bool]]:
    at = item.occurred_at
    if at is None or at <= now:
        return at, item.attributes
    if at <= now + SKEW_MS:
        return now, item.attributes
    return now, {**item.attributes, STATED_TIME: at}
