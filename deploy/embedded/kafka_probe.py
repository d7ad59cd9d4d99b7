"""Does a broker answer: asked of itself, with the client library that the services use."""

from __future__ import annotations

import logging
import socket

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_TIMEOUT_S = 1.0


def answers(bootstrap: str) -> bool:
    """Whether the broker at "host:port" is registered and gives out metadata; at most 2 s."""
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _TIMEOUT_S).close()
    except OSError:
        return False
    quiet = logging.Logger("kafka-probe", logging.CRITICAL)
    try:
        admin = AdminClient({"bootstrap.servers": bootstrap}, logger=quiet)
        return bool(admin.list_topics(timeout=_TIMEOUT_S).brokers)
    except KafkaException:
        return False
