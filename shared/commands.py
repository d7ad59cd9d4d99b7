"""Sending what people say, commands to cases and corrections: for the CLI, the API, integrations."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, Message, Producer

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Transient
from shared.events import CaseCommand, SeverityCorrected, Struct
from shared.ids import partition_of, record_key_of_case

FLUSH_S = 10.0


class _Sender:
    """Produces to the partition of a customer, idempotently."""

    def __init__(self, client: Mapping[str, Scalar], names: topics.Names, partitions: int) -> None:
        self._names = names
        self._partitions = partitions
        self._failed: list[str] = []
        self._producer = Producer(
            {**client, "enable.idempotence": True, "acks": "all", "linger.ms": 1, "log_level": 2}
        )

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything.

        Raises:
            Transient: it has not, within ten seconds.
        """
        left = self._producer.flush(FLUSH_S)
        if left or self._failed:
            raise Transient(f"{left} records not acknowledged by Kafka; {'; '.join(self._failed)}")

    def _queue(
        self, topic: topics.Topic, event: Struct, key: str, of: str, event_id: str, actor: str
    ) -> None:
        """Queue a record in the partition of the record key ``of``."""
        self._producer.produce(
            self._names.of(topic),
            codec.encode(event),
            key.encode(),
            partition_of(of, self._partitions),
            self._delivered,
            headers=dict(codec.headers(event, event_id, f"tocsin/{actor}")),
        )
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())


class CommandSender(_Sender):
    """Sends commands to the partition of the case's customer."""

    def send(self, command: CaseCommand) -> None:
        """Queue a command.

        Raises:
            ValueError: ``command.case_id`` is not a case id.
        """
        key = record_key_of_case(command.case_id)
        self._queue(topics.CASE_COMMANDS, command, key, key, command.command_id, command.actor)


class CorrectionSender(_Sender):
    """Sends corrections, each under its id: sent twice, one of the two is kept."""

    def send(self, correction: SeverityCorrected) -> None:
        """Queue a correction."""
        name = correction.correction_id
        self._queue(
            topics.FEEDBACK_CORRECTIONS,
            correction,
            name,
            correction.record_key,
            name,
            correction.by,
        )
