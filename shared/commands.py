"""Sending commands to cases: what the CLI, the API and integrations share."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, Message, Producer

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Transient
from shared.events import CaseCommand
from shared.ids import partition_of, record_key_of_case

FLUSH_S = 10.0


class CommandSender:
    """Produces commands to the partition of the case's customer, idempotently."""

    def __init__(self, client: Mapping[str, Scalar], names: topics.Names, partitions: int) -> None:
        self._topic = names.of(topics.CASE_COMMANDS)
        self._partitions = partitions
        self._failed: list[str] = []
        self._producer = Producer(
            {**client, "enable.idempotence": True, "acks": "all", "linger.ms": 1, "log_level": 2}
        )

    def send(self, command: CaseCommand) -> None:
        """Queue a command.

        Raises:
            ValueError: ``command.case_id`` is not a case id.
        """
        key = record_key_of_case(command.case_id)
        self._producer.produce(
            self._topic,
            codec.encode(command),
            key.encode(),
            partition_of(key, self._partitions),
            self._delivered,
            headers=dict(codec.headers(command, command.command_id, f"tocsin/{command.actor}")),
        )
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything.

        Raises:
            Transient: it has not, within ten seconds.
        """
        left = self._producer.flush(FLUSH_S)
        if left or self._failed:
            raise Transient(f"{left} commands not acknowledged by Kafka; {'; '.join(self._failed)}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())
