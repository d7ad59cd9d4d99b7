"""Puts together what writes to customers, of the settings in [writers.CHANNEL] of the file of sinks.

Options that every kind has: ``name`` and ``signature`` of the house, its ``zone`` (IANA), its
``language`` for customers without one, ``templates`` (a folder of languages of one's own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import redis
from redis.asyncio import Redis

from services.notifier.customers import dates, texts
from services.notifier.customers.budgets import Budgets, Keys, RedisBudgets
from services.notifier.customers.lint import Lint
from services.notifier.customers.messages import Composer
from services.notifier.customers.present import Present, Read, ViewPresent
from services.notifier.customers.render import House
from services.notifier.customers.route_feed import RouteFeed
from services.notifier.customers.routes import RedisBook, RedisKept, SealedAddresses
from services.notifier.customers.sink import CustomerSink
from services.notifier.customers.writers.google_play import GooglePlayWriter
from services.notifier.customers.writers.meta import MetaWriter
from services.notifier.customers.writers.smtp import SmtpWriter
from services.notifier.customers.writers.twilio import TwilioWriter
from services.notifier.customers.writing import Writer
from services.notifier.ports import Addresses
from services.notifier.sinks.build import Making
from shared.clock import Clock
from shared.config import Config
from shared.errors import Misconfigured
from shared.metrics import Metrics
from shared.sealing import Sealer
from shared.topics import Names

HOUSE: Final = frozenset({"name", "signature", "zone", "language"})
TEMPLATES: Final = "templates"

_KINDS: Final[Mapping[str, tuple[str, Callable[[Making], Writer]]]] = {
    "smtp": ("email", SmtpWriter.made),
    "twilio": ("phone", TwilioWriter.made),
    "meta": ("social", MetaWriter.made),
    "google_play": ("reviews", GooglePlayWriter.made),
}
"""Kind → the channel that it writes to, and how it is made."""


class Customers(NamedTuple):
    """What all channels share. ``feed`` is to be run beside them; None: there are no routes."""

    addresses: Addresses
    present: Present
    budgets: Budgets
    keys: Keys
    metrics: Metrics
    clock: Clock
    feed: RouteFeed | None = None

    def sink(self, making: Making) -> CustomerSink:
        """Return the sink of a channel; ``making.name`` is ``customer.CHANNEL``.

        Raises:
            Misconfigured: the kind is unknown or of another channel, or a setting is wrong.
        """
        return CustomerSink(
            making.name,
            self.addresses,
            self.present,
            self.budgets,
            self.keys,
            composer(making),
            house(making),
            writer(making),
            self.metrics,
            self.clock.now_ms,
        )


def compose(
    settings: Config, names: Names, client: Redis, read: Read, metrics: Metrics, clock: Clock
) -> Customers:
    """Return what all channels share; nothing connects yet.

    Args:
        read: the case view.
        client: made by ``redis_dedupe.connect``; whoever made it closes it.
    """
    prefix = f"{settings.redis.namespace}:notifier:"
    routes, feed, sealer = f"{prefix}routes:", None, None
    if settings.privacy.seal_key:
        sealer = Sealer(settings.privacy.seal_key.encode())
        timeout = settings.redis.timeout_s
        blocking = redis.Redis.from_url(
            settings.redis.url, socket_timeout=timeout, socket_connect_timeout=timeout
        )
        feed = RouteFeed(settings.kafka, names, RedisBook(blocking, routes))
    addresses = SealedAddresses(
        RedisKept(client, routes),
        sealer,
        settings.kafka.partitions,
        feed.ready if feed is not None else bool,
    )
    keys = Keys(settings.privacy.pseudonym_key.encode())
    budgets = RedisBudgets(client, f"{prefix}budget:")
    present = ViewPresent(read, settings.kafka.partitions)
    return Customers(addresses, present, budgets, keys, metrics, clock, feed)


def writer(making: Making) -> Writer:
    """Return the writer of a channel; same errors as :meth:`Customers.sink`."""
    kind, wanted = making.settings.kind, making.name.rpartition(".")[2]
    if kind not in _KINDS:
        raise making.wrong(f"kind {kind!r} is none of {', '.join(sorted(_KINDS))}")
    channel, make = _KINDS[kind]
    if channel != wanted:
        raise making.wrong(f"kind {kind!r} writes to customers of {channel}, not of {wanted}")
    own = {
        name: value
        for name, value in making.settings.options.items()
        if name not in HOUSE and name != TEMPLATES
    }
    return make(making._replace(settings=msgspec.structs.replace(making.settings, options=own)))


def house(making: Making) -> House:
    """Return who writes.

    Raises:
        Misconfigured: there is no such time zone.
    """
    given = {name: making.option(name) for name in HOUSE if name in making.settings.options}
    found = msgspec.convert(given, House)
    try:
        dates.zone(found.zone)
    except Misconfigured as error:
        raise making.wrong(f"options.zone: {error}") from error
    return found


def composer(making: Making) -> Composer:
    """Return what makes texts.

    Raises:
        Misconfigured: a template is wrong.
    """
    folder = making.option(TEMPLATES, "")
    try:
        found = texts.load(Path(folder) if folder else None)
        return Composer(found, Lint.of(found))
    except Misconfigured as error:
        raise making.wrong(f"options.templates: {error}") from error
