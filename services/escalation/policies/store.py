"""The policies that were in force: all of them, whole, in the compacted topic ``policies``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from services.escalation.domain.calendar import Calendar
from services.escalation.domain.policy import Policy, fingerprint
from shared import codec, topics
from shared.config import Scalar
from shared.errors import Poison, Transient
from shared.events import PolicyVersion
from shared.streams.reader import Cluster, read_to_end
from shared.streams.records import Partition
from shared.topics import Names

PARTITION: Final = 0
"""All versions are in one partition: their order is that in which they came into force."""
FLUSH_S: Final = 10.0

_log = structlog.get_logger(__name__)


class PolicyStore:
    """Reads and writes the topic; each call has a connection of its own, since they are rare."""

    def __init__(self, client: Mapping[str, Scalar], names: Names) -> None:
        self._client = dict(client)
        self._topic = names.of(topics.POLICIES)

    def load(self) -> dict[str, Policy]:
        """Return all policies by version; the last one is that which came into force last.

        A record that cannot be read is told in the log and left out.

        Raises:
            Transient: Kafka does not answer.
            Misconfigured: there is no such topic.
        """
        cluster = Cluster(self._client)
        cluster.topic_ids([self._topic])
        source = Partition(self._topic, PARTITION)
        decoder = codec.Decoder[PolicyVersion](topics.POLICIES.carries)
        found: dict[str, Policy] = {}
        for batch in read_to_end(self._client, {source: 0}, cluster.ends([source])):
            for message in batch:
                policy = _policy(message, decoder)
                if policy is not None:
                    found.pop(policy.version, None)  # it comes into force again, as the last
                    found[policy.version] = policy
        return found

    def keep(self, policy: Policy, at: int, by: str = "") -> None:
        """Write a policy that is about to come into force at ``at`` (ms); it is acknowledged then.

        Raises:
            Transient: it is not, within ten seconds.
            Poison: it is too large for a record.
        """
        whole = msgspec.structs.replace(policy, archive={})
        raw = msgspec.Raw(msgspec.json.encode(whole))
        event = PolicyVersion(version=policy.version, at=at, policy=raw, by=by)
        failed: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error.str())

        producer = Producer(
            {
                **self._client,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": int(FLUSH_S * 1000),
                "log_level": 2,
            }
        )
        try:
            producer.produce(
                self._topic,
                codec.encode(event),
                policy.version.encode(),
                PARTITION,
                delivered,
                headers=dict(codec.headers(event, policy.version, "tocsin/escalation")),
            )
            left = producer.flush(FLUSH_S)
        except KafkaException as error:
            raise Transient(f"policy {policy.version} not written: {error}") from error
        if left or failed:
            why = "; ".join(failed) or "no answer"
            raise Transient(f"policy {policy.version} not acknowledged by Kafka: {why}")


def archive_of(policies: Iterable[Policy]) -> dict[str, Calendar]:
    """Return every calendar of these policies, as running clocks name it: ``name@fingerprint``."""
    return {
        f"{calendar.name}@{fingerprint(calendar)}": calendar
        for policy in policies
        for calendar in policy.calendars
    }


def _policy(message: Message, decoder: codec.Decoder[PolicyVersion]) -> Policy | None:
    value = message.value()
    if value is None:
        return None
    try:
        event = decoder.decode(value)
        return msgspec.json.decode(event.policy, type=Policy)
    except (Poison, msgspec.DecodeError) as error:
        _log.error("a former policy cannot be read", offset=message.offset(), error=str(error))
        return None
