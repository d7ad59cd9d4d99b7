"""The product's own JSON, for whoever can write it: ``/v1/feedback``, with a key of its own.

A source of this kind can be rotated, paused and limited like any other; keys in ``ingest.keys`` can
not. The reference of the form is in ``services/ingest/channels/wire.py``.
"""

from __future__ import annotations

from services.ingest.channels import generic
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.tokens import check_bearer
from shared.events import Channel


def verify(hook: Hook, credentials: Credentials, _: Settings) -> Proof:
    """Check the bearer key."""
    return check_bearer(hook, credentials)


def parse(hook: Hook, _: Settings) -> Delivery:
    """Return the one item of the request."""
    return Delivery(items=(generic.parse(hook.body),))


PROVIDER = Provider(
    name="generic",
    title="The product's own JSON",
    channel=Channel.OTHER,
    capability=Capability(redelivery_s=30 * DAY_S),
    secret="the bearer key of the sender",
    secret_from=SecretFrom.TOKEN,
    max_body=1_000_000,
    verify=verify,
    parse=parse,
)
