"""How kafka-python is set up, and why. One place, so that a test can hold it to it."""

from __future__ import annotations

import ssl
from typing import Any

from kafka.partitioner import Partitioner

from shared import ids
from shared.codec import MAX_RECORD_BYTES
from shared.config import Kafka

MAX_BLOCK_MS = 20
"""How long ``send`` may block the event loop if the metadata of a topic got lost."""


class ByRecordKey(Partitioner):  # type: ignore[misc]  # kafka-python is untyped
    """The same partition as Kafka's default partitioner, in half the time."""

    def partition(
        self,
        topic: str,
        _key: object,
        serialized_key: bytes,
        _value: object,
        _serialized_value: object,
        cluster: Any,
    ) -> int:
        """Return the partition of ``serialized_key``."""
        count = len(cluster.partitions_for_topic(topic))
        return (ids.murmur2(serialized_key) & 0x7FFFFFFF) % count


def producer_settings(kafka: Kafka, client_id: str) -> dict[str, Any]:
    """Return the arguments of ``KafkaProducer``."""
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "client_id": client_id,
        "partitioner": ByRecordKey(),
        "acks": "all",
        "enable_idempotence": True,
        # An idempotent producer wedges for ever when a batch that was sent once expires, so none may
        # (kafka-python 3.0.12: reset_producer_id leaves the state READY). Requests have own deadlines.
        "delivery_timeout_ms": 86_400_000,
        "request_timeout_ms": 10_000,
        "reconnect_backoff_max_ms": 1_000,
        "max_block_ms": MAX_BLOCK_MS,
        "bootstrap_timeout_ms": 5_000,
        "compression_type": "lz4",  # pays for itself: fewer bytes to write to the socket
        "linger_ms": 3,
        "batch_size": 256 * 1024,
        "max_request_size": MAX_RECORD_BYTES + 100_000,
        # A topic that comes up by itself would have the wrong number of partitions.
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.sasl_mechanism:
        settings |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password,
        }
    if kafka.ssl_ca_location:
        settings["ssl_context"] = ssl.create_default_context(cafile=kafka.ssl_ca_location)
    return settings
