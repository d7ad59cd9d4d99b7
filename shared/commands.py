"""Sending what people say, commands to cases and corrections: for the CLI, the API, integrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Transient
from shared.events import CaseCommand, EraseCustomer, SeverityCorrected, Struct
from shared.ids import partition_of, record_key_of_case

FLUSH_S = 10.0

Delivered = Callable[[str | None], None]
"""Is told, while the sender is polled or flushed, that Kafka has a record, or why it has not."""


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

    def poll(self, timeout_s: float) -> None:
        """Wait for answers of Kafka for up to ``timeout_s``, and tell whoever wants to know."""
        self._producer.poll(timeout_s)

    def _queue(
        self,
        topic: topics.Topic,
        event: Struct,
        key: str,
        of: str,
        event_id: str,
        actor: str,
        delivered: Delivered | None = None,
    ) -> None:
        """Queue a record in the partition of the record key ``of``."""

        def report(error: KafkaError | None, _: Message) -> None:
            fault = None if error is None else error.str()
            if delivered is not None:
                delivered(fault)
            elif fault is not None:
                self._failed.append(fault)

        self._producer.produce(
            self._names.of(topic),
            codec.encode(event),
            key.encode(),
            partition_of(of, self._partitions),
            report,
            headers=dict(codec.headers(event, event_id, f"tocsin/{actor}")),
        )
        self._producer.poll(0)


class CommandSender(_Sender):
    """Sends commands to the partition of the case's customer."""

    def send(
        self, command: CaseCommand | EraseCustomer, delivered: Delivered | None = None
    ) -> None:
        """Queue a command; without ``delivered``, :meth:`flush` tells how it went.

        Raises:
            ValueError: ``command.case_id`` is not a case id.
            BufferError: too many are waiting for Kafka.
        """
        if isinstance(command, EraseCustomer):
            key = command.record_key
        else:
            key = record_key_of_case(command.case_id)
        topic, name = topics.CASE_COMMANDS, command.command_id
        self._queue(topic, command, key, key, name, command.actor, delivered)


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
