"""A command is sent when Kafka says so, and not before."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from shared.commands import CommandSender, Delivered
from shared.config import Kafka
from shared.errors import Transient
from shared.events import CaseCommand, CommandKind, EraseCustomer
from shared.sending import KafkaCommands
from shared.topics import Names

COMMAND = CaseCommand(
    command_id="x",
    tenant="acme",
    case_id="acme:c1:0123456789ab",
    kind=CommandKind.NOTE,
    actor="jane",
    at=1,
)


class FakeSender(CommandSender):
    """Answers when it is polled, in the thread that polls; ``fault`` is what it answers."""

    def __init__(self) -> None:
        self.waiting: list[Delivered] = []
        self.fault: str | None = None
        self.full = False
        self.pollers: set[str] = set()

    def send(
        self, command: CaseCommand | EraseCustomer, delivered: Delivered | None = None
    ) -> None:
        if self.full:
            raise BufferError("Local: Queue full")
        assert delivered is not None
        self.waiting.append(delivered)

    def poll(self, timeout_s: float) -> None:
        self.pollers.add(threading.current_thread().name)
        while self.waiting:
            self.waiting.pop()(self.fault)
        time.sleep(0.001)  # the pause is the point: it stands for the wait in the client


def run(scenario: Callable[[KafkaCommands, FakeSender], object]) -> None:
    sender = FakeSender()
    commands = KafkaCommands(lambda: sender)
    commands.start()
    try:
        scenario(commands, sender)
    finally:
        commands.stop(5.0)


def test_commands_are_acknowledged_each_by_itself_whatever_thread_hears_it() -> None:
    async def many(commands: KafkaCommands) -> None:
        await asyncio.gather(*(commands.send(COMMAND) for _ in range(100)))

    def scenario(commands: KafkaCommands, sender: FakeSender) -> None:
        asyncio.run(many(commands))
        assert sender.pollers == {"commands"}

    run(scenario)


def test_what_kafka_does_not_take_is_transient() -> None:
    def scenario(commands: KafkaCommands, sender: FakeSender) -> None:
        sender.fault = "Local: Message timed out"
        with pytest.raises(Transient, match="timed out"):
            asyncio.run(commands.send(COMMAND))
        sender.full = True
        with pytest.raises(Transient, match="too many"):
            asyncio.run(commands.send(COMMAND))

    run(scenario)


def test_an_answer_to_who_has_gone_is_no_fault() -> None:
    async def impatient(commands: KafkaCommands) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(commands.send(COMMAND), 0.0)

    def scenario(commands: KafkaCommands, sender: FakeSender) -> None:
        asyncio.run(impatient(commands))
        asyncio.run(commands.send(COMMAND))

    run(scenario)


def test_nothing_is_sent_before_the_start() -> None:
    with pytest.raises(Transient, match="not sent yet"):
        asyncio.run(KafkaCommands(FakeSender).send(COMMAND))


def test_a_broker_that_never_answers_is_given_up_in_time() -> None:
    client = Kafka(bootstrap_servers="127.0.0.1:1").client() | {"message.timeout.ms": 300}
    commands = KafkaCommands(lambda: CommandSender(client, Names(), 1))
    commands.start()
    started = time.monotonic()
    with pytest.raises(Transient, match="Kafka has not acknowledged"):
        asyncio.run(commands.send(COMMAND))
    assert time.monotonic() - started < 10.0
    commands.stop(5.0)
