"""A worker with the real runtime and next to no handler: what comes in goes out, in order.

Run as a file: ``python relay_worker.py '<json of Plan>'`` with the settings in the environment. Every
input record becomes one output record with the same key and value in ``out`` (same partition), so
the output tells exactly what was processed, how often, and in which order.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Message

from shared import codec, config, worker
from shared.errors import Poison, PoisonReason, Transient
from shared.events import CaseCommand, FeedbackClassified
from shared.streams.dead_letters import Sieve
from shared.streams.records import (
    Assignment,
    Chunk,
    Delivered,
    Interrupted,
    Output,
    Partition,
    Work,
)

NAME = "relay"


class Plan(msgspec.Struct, frozen=True):
    """What the relay does. Names are whole topic names.

    ``decode`` passes records through a Sieve first. ``die_at`` is a step (process, committed) and
    ``die_after`` the number of records before it; the file ``once`` makes it die only once.
    ``fail_on`` is the value of a record on which the handler raises ``fail_with`` ("transient" until
    the file ``heal`` exists, or "bug").
    """

    inputs: tuple[str, ...]
    out: str
    dead: str = ""
    decode: bool = False
    slow_s: float = 0.0
    die_at: str = ""
    die_after: int = 0
    once: str = ""
    fail_on: str = ""
    fail_with: str = ""
    heal: str = ""


class Relay:
    """See :class:`shared.streams.records.Handler`."""

    stage = NAME
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def __init__(self, plan: Plan, made: worker.Context) -> None:
        self._plan = plan
        self._clock = made.clock
        self.inputs: Sequence[str] = plan.inputs
        self._seen = 0
        decoder = codec.Decoder[FeedbackClassified | CaseCommand]((FeedbackClassified, CaseCommand))
        self._sieve = Sieve(NAME, plan.dead, decoder, made.metrics)

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """Need nothing."""

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Copy; misbehave as planned."""
        outputs: list[Output] = []
        buried: dict[Partition, int] = {}
        for chunk in chunks:
            messages: Sequence[Message] = chunk.messages
            if self._plan.decode:
                good, dead = self._sieve.sift(chunk, self._clock.now_ms())
                messages = [message for message, _ in good]
                outputs += dead
                buried[chunk.source] = len(dead)
            for message in messages:
                self._stumble(message)
                outputs.append(
                    Output(
                        self._plan.out,
                        chunk.source.number,
                        message.key(),
                        message.value(),
                        [("from", chunk.source.topic.encode())],
                    )
                )
        self._seen += sum(len(chunk.messages) for chunk in chunks)
        if self._plan.slow_s:
            time.sleep(self._plan.slow_s)  # the pause is the point: a slow handler
        self._die("process")
        return Work(outputs, buried, self._committed)

    def _committed(self, _: Delivered) -> None:
        self._die("committed")

    def _stumble(self, message: Message) -> None:
        plan = self._plan
        if not plan.fail_on or message.value() != plan.fail_on.encode():
            return
        if plan.fail_with == "transient":
            if not Path(plan.heal).exists():
                Path(plan.heal + ".seen").touch()
                raise Transient("a collaborator is away")
        elif plan.fail_with == "poison":
            raise Poison(PoisonReason.TOO_LARGE, "an output would be too large")
        else:
            raise ZeroDivisionError("a bug in the handler")

    def _die(self, step: str) -> None:
        plan = self._plan
        if plan.die_at != step or self._seen < plan.die_after:
            return
        if plan.once:
            if Path(plan.once).exists():
                return
            Path(plan.once).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Run until told to stop."""
    faulthandler.register(signal.SIGUSR1)
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    settings = config.load(os.environ).config
    return worker.run(NAME, settings, lambda made: Relay(plan, made))


if __name__ == "__main__":
    sys.exit(main())
