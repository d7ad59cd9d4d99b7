"""What a stream is told, and what it tells. Nothing here connects."""

from __future__ import annotations

import enum
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.client.dedupe import Dedupe
from shared.client.policy import OnError
from shared.client.records import Parked, Partition
from shared.client.transport import Broker
from shared.errors import Misconfigured
from shared.topics import Topic

Signals = Sequence[signal.Signals]


class What(enum.StrEnum):
    """What happened to a record; the word of a metric's label.

    ``handed``: a body began; ``trimmed``: it came without words that this client does not know;
    ``refused``: the acknowledgement came after the partition had gone to another member.
    """

    HANDED = "handed"
    ACKNOWLEDGED = "acknowledged"
    RETRIED = "retried"
    PARKED = "parked"
    SKIPPED = "skipped"
    TRIMMED = "trimmed"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True)
class Measured:
    """One thing that happened, for the metrics of the program; ``seconds`` is the time of the body."""

    what: What
    at: Partition
    offset: int
    seconds: float = 0.0
    detail: str = ""


@dataclass(kw_only=True, eq=False)
class Settings:
    """Everything that can be said about a stream; only ``bootstrap`` and ``group`` have to be.

    Args:
        bootstrap: ``host:port[,host:port…]``, or a broker in memory (``shared.client.testing``).
        group: consumer group: its members share the partitions, and it remembers how far it is.
        topics: what is read.
        prefix: ``kafka.topic_prefix`` of the installation.
        kafka: TLS and SASL, by the names of the section ``[kafka]`` of ``tocsin.toml``:
            ``security_protocol``, ``sasl_mechanism``, ``sasl_username``, ``sasl_password``,
            ``ssl_ca_location``.
        since: begin at the first record that the broker took at this time or later, whatever the
            group has acknowledged; once per partition and stream.
        idle_s: end the stream after so many seconds without a record; None: never.
        on_error: what becomes of a body that raises.
        park: takes what is set aside; None: the topic ``<group>.parked``, made when it is missing.
        dedupe: passes over what was seen: ``Latest()``, ``Seen()``, or one's own.
        metrics: is told everything that happens; must neither block nor raise.
        signals: end the stream after the present body, when it is opened in the main thread.
        commit_every_s: how long acknowledgements may be gathered while records keep coming; 0: each
            is committed before the next body. Rebalances and the end lose nothing.
        body_s: the longest time of a body; after it the partition goes to another member.
        session_s: after so long a member that died is replaced; the broker allows 6 and more.
        connect_s: how long brokers are looked for.
    """

    bootstrap: str | Broker
    group: str
    topics: tuple[Topic, ...] = ()
    prefix: str = ""
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    since: datetime | None = None
    idle_s: float | None = None
    on_error: OnError = field(default_factory=OnError)
    park: Callable[[Parked], Awaitable[None] | None] | None = None
    dedupe: Dedupe | None = None
    metrics: Callable[[Measured], None] | None = None
    signals: Signals = (signal.SIGINT, signal.SIGTERM)
    commit_every_s: float = 0.0
    body_s: float = 300.0
    session_s: float = 10.0
    connect_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.bootstrap:
            raise Misconfigured("bootstrap is empty: give host:port of a broker")
        if not self.group:
            raise Misconfigured("group is empty: name the consumer group of this program")
        if not self.topics:
            raise Misconfigured("topics is empty: name what is to be read")
        if self.since is not None and self.since.tzinfo is None:
            raise Misconfigured("since has no time zone: use datetime(…, tzinfo=UTC)")
        if self.body_s < self.session_s:
            raise Misconfigured("body_s is below session_s: Kafka does not allow that")

    @property
    def names(self) -> list[str]:
        """Return the names of the topics on the broker."""
        return [self.prefix + topic.name for topic in self.topics]

    @property
    def since_ms(self) -> int | None:
        """Return ``since`` in milliseconds since the epoch."""
        return None if self.since is None else int(self.since.timestamp() * 1000)

    @property
    def parked_topic(self) -> str | None:
        """Return the topic of what is set aside; None where a callable takes it."""
        return None if self.park else f"{self.group}.parked"
