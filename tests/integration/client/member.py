"""One member of a group, as a process: appends a line to a log when a body begins and when it ends.

Lines of all members go to one file, each in one write: their order is that in which things happened.
A body waits for as long as a file named after its event lies in the folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import msgspec

from shared.client import AsyncEscalations, Escalations
from shared.events import CaseEvent


class Plan(msgspec.Struct, frozen=True):
    """What a member is told."""

    name: str
    bootstrap: str
    group: str
    prefix: str
    folder: str
    asynchronous: bool = False
    body_s: float = 300.0
    pace_s: float = 0.0
    commit_every_s: float = 0.0


class Log:
    """The common file."""

    def __init__(self, plan: Plan) -> None:
        self._file = os.open(Path(plan.folder) / "log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        self._name = plan.name

    def line(self, word: str, event: CaseEvent | None = None) -> None:
        """Append a line."""
        what = f" {event.case_id.split(':')[1]} {event.case_seq}" if event else ""
        os.write(self._file, f"{self._name} {word}{what}\n".encode())


def held(plan: Plan, event: CaseEvent) -> bool:
    """Tell whether the body of an event is to go on."""
    return (Path(plan.folder) / f"{event.case_id.split(':')[1]}-{event.case_seq}").exists()


def work(plan: Plan, log: Log) -> None:
    """Run until a signal comes."""
    stream = Escalations(
        bootstrap=plan.bootstrap,
        group=plan.group,
        prefix=plan.prefix,
        body_s=plan.body_s,
        session_s=6.0,
        commit_every_s=plan.commit_every_s,
    )
    with stream:
        log.line("open")
        for delivery in stream:
            with delivery:
                log.line("begin", delivery.event)
                while held(plan, delivery.event):
                    time.sleep(0.02)
                time.sleep(plan.pace_s)  # the pause is the point: work takes time
                log.line("end", delivery.event)
    log.line("closed")


async def work_async(plan: Plan, log: Log) -> None:
    """Run until a signal comes."""
    stream = AsyncEscalations(
        bootstrap=plan.bootstrap,
        group=plan.group,
        prefix=plan.prefix,
        body_s=plan.body_s,
        session_s=6.0,
        commit_every_s=plan.commit_every_s,
    )
    async with stream:
        log.line("open")
        async for delivery in stream:
            async with delivery:
                log.line("begin", delivery.event)
                while held(plan, delivery.event):  # noqa: ASYNC110  a file of another process
                    await asyncio.sleep(0.02)
                await asyncio.sleep(plan.pace_s)  # the pause is the point: work takes time
                log.line("end", delivery.event)
    log.line("closed")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    told = msgspec.json.decode(sys.argv[1], type=Plan)
    if told.asynchronous:
        asyncio.run(work_async(told, Log(told)))
    else:
        work(told, Log(told))
