"""Item → FeedbackReceived: pseudonym, key, content hash, revision and id. Pure and deterministic."""

from __future__ import annotations

import hashlib

import msgspec

from services.ingest.channels.generic import RESERVED_PREFIX
from services.ingest.channels.identity import identity, public_author
from services.ingest.channels.item import Item
from shared import ids
from shared.events import FeedbackReceived

REVISION_DIGITS = 16
SKEW_MS = 5_000
STATED_TIME = RESERVED_PREFIX + "occurred_at"
"""Attribute that keeps a stated time which lay further in the future than clocks differ."""

_content = msgspec.json.Encoder(order="deterministic")


def build(item: Item, *, tenant: str, source: str, secret: bytes, now: int) -> FeedbackReceived:
    """Return the event of ``item``.

    The revision is derived from the content, so the same delivery has the same id for ever, and an
    edited item is a new feedback with the same ``native_id``. ``now`` influences only
    ``received_at`` and the clamping of a time in the future.
    """
    customer = ids.customer_key(secret, identity(item, source))
    content = content_hash(item, customer)
    revision = content[:REVISION_DIGITS]
    occurred_at, attributes = item.occurred_at, item.attributes
    if occurred_at is not None and occurred_at > now:
        if occurred_at > now + SKEW_MS:
            attributes = {**attributes, STATED_TIME: occurred_at}
        occurred_at = now
    return FeedbackReceived(
        feedback_id=ids.feedback_id(tenant, source, item.native_id, revision),
        tenant=tenant,
        source=source,
        channel=item.channel,
        native_id=item.native_id,
        record_key=ids.record_key(tenant, customer),
        customer_key=customer,
        received_at=now,
        text=item.text,
        revision=revision,
        thread_id=item.thread_id,
        occurred_at=occurred_at,
        language=item.language,
        rating=item.rating,
        author=public_author(item),
        truncated=item.truncated,
        content_hash=content,
        attributes=attributes,
    )


def content_hash(item: Item, customer: str) -> str:
    """Return 32 hex digits over all that was stated, with the pseudonym in the author's place.

    The author itself must stay out: with the rest of the event known, it could be guessed.
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
    )
    return hashlib.blake2b(_content.encode(stated), digest_size=16).hexdigest()
