"""Plan and apply the topics. The plan is pure; only :class:`TopicAdmin` talks to the broker."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from shared.config import Kafka
from shared.errors import Misconfigured, Transient
from shared.topics import ALL, Names


class Action(enum.StrEnum):
    """What has to be done about a topic."""

    CREATE = "create"
    CONFIGURE = "configure"
    NOTHING = "nothing"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Existing:
    """A topic as the broker has it; ``settings`` are those set on the topic itself."""

    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """One line of the plan."""

    topic: str
    action: Action
    partitions: int
    settings: Mapping[str, str]
    detail: str = ""


def plan(
    existing: Mapping[str, Existing], names: Names, partitions: int, replication: int = 1
) -> list[Change]:
    """Compare what there is with what ought to be.

    Another partition count is refused: it would move customers to other partitions and break the
    order of their feedback and cases. It takes a migration that re-keys offline.
    """
    return [
        _change(
            names.of(topic), existing.get(names.of(topic)), topic.partitions or partitions, settings
        )
        for topic in ALL
        for settings in (topic.settings(replication),)
    ]


def _change(
    name: str, found: Existing | None, partitions: int, wanted: Mapping[str, str]
) -> Change:
    if found is None:
        return Change(name, Action.CREATE, partitions, wanted)
    if found.partitions != partitions:
        detail = (
            f"has {found.partitions} partitions, the plan says {partitions}: changing it would move "
            f"customers between partitions; set kafka.partitions={found.partitions}"
        )
        return Change(name, Action.REFUSE, found.partitions, {}, detail)
    differing = {key: value for key, value in wanted.items() if found.settings.get(key) != value}
    if not differing:
        return Change(name, Action.NOTHING, partitions, {})
    detail = ", ".join(f"{key}: {found.settings.get(key)} → {differing[key]}" for key in differing)
    return Change(name, Action.CONFIGURE, partitions, differing, detail)


class TopicAdmin:
    """Reads and changes topics through kafka-python's admin client. A context manager.

    Raises:
        Transient: the broker does not answer.
    """

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        try:
            self._client = KafkaAdminClient(
                **client_settings(settings), bootstrap_timeout_ms=5_000, request_timeout_ms=15_000
            )
        except KafkaError as error:
            raise Transient(
                f"no answer from Kafka at {settings.bootstrap_servers}: {error}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def existing(self, names: Iterable[str]) -> dict[str, Existing]:
        """Return the topics among ``names`` that exist."""
        wanted = set(names)
        counts = {
            str(topic["name"]): len(topic["partitions"])
            for topic in self._client.describe_topics()
            if topic["name"] in wanted
        }
        if not counts:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in counts]
        found = self._client.describe_configs(asked, config_filter="all")["topic"]
        return {
            name: Existing(
                counts[name], {key: str(entry["value"]) for key, entry in found[name].items()}
            )
            for name in counts
        }

    def plan(self, names: Names, partitions: int) -> list[Change]:
        """Return what has to change."""
        found = self.existing(names.of(topic) for topic in ALL)
        return plan(found, names, partitions, self._settings.replication)

    def apply(self, changes: Iterable[Change]) -> None:
        """Carry out a plan and wait until the new topics can be used.

        Raises:
            Misconfigured: the plan holds a refused change; nothing was done.
        """
        changes = list(changes)
        refused = [
            f"{change.topic} {change.detail}"
            for change in changes
            if change.action is Action.REFUSE
        ]
        if refused:
            raise Misconfigured("; ".join(refused))
        new = [
            NewTopic(
                change.topic,
                change.partitions,
                self._settings.replication,
                topic_configs=dict(change.settings),
            )
            for change in changes
            if change.action is Action.CREATE
        ]
        if new:
            self._client.create_topics(new, timeout_ms=30_000)
            self._client.wait_for_topics([topic.name for topic in new], timeout_ms=30_000)
        altered = [
            ConfigResource(ConfigResourceType.TOPIC, change.topic, dict(change.settings))
            for change in changes
            if change.action is Action.CONFIGURE
        ]
        if altered:
            self._client.alter_configs(altered, incremental=True)


def client_settings(settings: Kafka) -> dict[str, str | int | None]:
    """Return what every kafka-python client needs to connect."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism or None,
        "sasl_plain_username": settings.sasl_username or None,
        "sasl_plain_password": settings.sasl_password or None,
        "ssl_cafile": settings.ssl_ca_location or None,
    }
