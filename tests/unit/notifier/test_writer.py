"""What the ledger's writer says when Kafka does not take a record."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from services.notifier.ledger import Writer
from shared.errors import Transient
from shared.streams.records import Output

RECORD = Output("deliveries", 0, b"k", b"v", [])


class Refusing:
    """A producer that takes nothing, for one reason."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason

    def produce(self, *_: Any, **__: Any) -> None:
        raise self.reason


def refused(reason: BaseException) -> Writer:
    writer = Writer({"bootstrap.servers": "b:1"})
    writer._producer = cast("Producer", Refusing(reason))
    return writer


@pytest.mark.parametrize("reason", [BufferError("full"), KafkaException(KafkaError(-195))])
def test_what_may_pass_may_be_tried_again(reason: BaseException) -> None:
    with pytest.raises(Transient):
        asyncio.run(refused(reason).write([RECORD]))


def test_a_producer_that_is_lost_is_not_tried_for_ever() -> None:
    """Source: librdkafka, ERR__FATAL: nothing is taken any more, whatever comes."""
    writer = refused(KafkaException(KafkaError(KafkaError._FATAL, "fenced", True)))
    with pytest.raises(RuntimeError, match="fenced"):
        asyncio.run(writer.write([RECORD]))
