"""What a provider is to intake: one pure module in ``providers/`` that says how its requests are
authenticated, what is in them, and what its platform can and cannot do.

A module defines ``PROVIDER``; ``providers.load()`` finds it by itself. Nothing else has to be touched
to add one (deploy/docs/tutorials/new-provider.md).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Channel

T = TypeVar("T")
DAY_S = 86_400


class KeyNeeded(Exception):
    """The signature can only be checked with the key at ``url``, which ``Credentials.keys`` lacks.

    The module has checked that ``url`` is one of the provider's own; whoever catches this fetches it,
    keeps it, and asks again.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a source is configured with, as far as the pure modules need it.

    ``region`` is the ISO 3166 region of numbers without a country code; ``options`` are the
    provider's own, checked against ``Provider.options``.
    """

    name: str
    region: str | None = None
    languages: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def option(self, name: str, default: str = "") -> str:
        """Return an option of the provider."""
        return self.options.get(name, default)

    def listed(self, name: str) -> tuple[str, ...]:
        """Return an option that holds words separated by commas or white space."""
        return tuple(self.option(name).replace(",", " ").split())


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets of a source: up to two are valid at the same time, so that they can be rotated.

    ``keys`` holds public keys and certificates that were fetched, by URL.
    """

    secrets: tuple[bytes, ...] = ()
    keys: Mapping[str, bytes] = {}


class Proof(msgspec.Struct, frozen=True):
    """How a request was authenticated.

    ``nonce`` is set where the signature does not cover the body: one nonce may be used again (the
    provider retries) but only with the same ``digest``, None: that of the body.
    """

    method: str
    nonce: str | None = None
    digest: str | None = None


class Ignored(enum.StrEnum):
    """Why a part of a request is no feedback; counted, never an error."""

    PING = "ping"
    RECEIPT = "receipt"
    OWN = "own"
    REACTION = "reaction"
    STATUS = "status"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"


class Unfit(msgspec.Struct, frozen=True):
    """A part of a request that should have been an item and cannot become one: a dead letter."""

    reason: Refusal
    detail: str
    payload: bytes

    @classmethod
    def of(cls, rejected: Rejected, payload: bytes) -> Unfit:
        """Return the part that was rejected."""
        return cls(rejected.reason, rejected.detail, payload)


class Fetch(msgspec.Struct, frozen=True):
    """An item that a request only names: it is at ``url``, to be had with the source's own token.

    The module has checked that ``url`` is one of the provider's own. ``native_id`` is that of the item
    to come.
    """

    url: str
    native_id: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a request: items to take, parts that are unfit, parts that are nothing to us.

    ``fetch``: items that still have to be got.
    """

    items: tuple[Item, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    fetch: tuple[Fetch, ...] = ()


class SecretFrom(enum.Enum):
    """Who chooses the secret of a source: the platform shows it, or we make one and tell it.

    BASIC is ``user:password``; NOBODY: nothing is shared, the platform signs with a published key.
    """

    PLATFORM = enum.auto()
    TOKEN = enum.auto()
    BASIC = enum.auto()
    NOBODY = enum.auto()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that a provider expects in a form of its own."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What the platform allows: what can be caught up with, and how an answer may look.

    ``redelivery_s``: how long it may send the same again; ids are remembered for longer than that.
    ``history_s``: how far back it can be read after an outage, None: not at all.
    ``reply_window_s``: how long after an item an answer is possible, None: for ever.
    """

    redelivery_s: int = 3 * DAY_S
    history_s: int | None = None
    reply_max_chars: int | None = None
    replies_per_item: int | None = None
    reply_edit_allowed: bool = False
    reply_window_s: int | None = None
    public: bool = False


Verify = Callable[[Hook, Credentials, Settings], Proof]
Parse = Callable[[Hook, Settings], Delivery]
Read = Callable[[bytes, Settings], Item]
Challenge = Callable[[Hook, Credentials, Settings], Reply | None]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One provider.

    ``verify`` raises ``Unauthentic`` or ``KeyNeeded``; ``parse`` raises ``Rejected`` when the whole
    request is unreadable and nothing else, whatever the bytes. ``challenge`` answers a request that
    only proves that the address is ours (None: it is no such request); it is asked first, so it checks
    the secret itself. ``reply`` is the answer to a request that was taken, None: a JSON summary, which
    lists every item if ``itemised`` (for senders of our own, who read it).
    ``read`` makes the item of what a ``Fetch`` named, once it was got; it raises ``Rejected``.
    ``secret`` and ``options`` say, for people, what is to be configured; ``pull``: its items are
    fetched by a collector, so there is no address to call and ``verify``/``parse`` may be missing.
    An option whose meaning begins with ``required:`` has to be set. ``max_body`` is the largest
    request that is read, in bytes: before the proof, so keep it tight.
    """

    name: str
    title: str
    channel: Channel
    capability: Capability
    secret: str = ""
    verify: Verify | None = None
    parse: Parse | None = None
    challenge: Challenge | None = None
    read: Read | None = None
    reply: Reply | None = None
    itemised: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    pull: bool = False
    secret_from: SecretFrom = SecretFrom.PLATFORM
    max_body: int = 2_000_000

    @property
    def required(self) -> tuple[str, ...]:
        """Return the options without which a source cannot work."""
        return tuple(
            name for name, meaning in self.options.items() if meaning.startswith("required:")
        )

    @property
    def needs_secret(self) -> bool:
        """Tell whether a source without a secret cannot work."""
        return bool(self.secret) and self.secret_from is not SecretFrom.NOBODY
