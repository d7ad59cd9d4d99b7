"""One file through intake: in batches, acknowledged late, ready to be cut short at any point."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from services.ingest.importing.convert import Entry, Step
from services.ingest.importing.state import State
from services.ingest.outcome import Result, Status
from shared.errors import Transient

BATCH = 1_000
"""Items that are written together; a step with more of them goes alone."""

BATCH_BYTES = 8 * 1024 * 1024

RETRY_S = 0.5
MAX_RETRY_S = 5.0

Take = Callable[[Sequence[Entry]], Awaitable[list[Result]]]
Save = Callable[[State], None]


async def run(
    steps: Iterable[Step], take: Take, state: State, save: Save, patience_s: float
) -> None:
    """Take all ``steps`` that ``state`` does not count as done, and count them.

    Raises:
        Transient: Kafka did not take a batch within ``patience_s``. All before it is in ``state``.
    """
    for batch in _batches(_after(steps, state.steps)):
        results = await _taken(
            [entry for step in batch for entry in step.entries], take, patience_s
        )
        for result in results:
            name = result.status.value
            setattr(state.counts, name, getattr(state.counts, name) + 1)
        state.counts.ignored += sum(step.ignored for step in batch)
        state.steps += len(batch)
        state.line = batch[-1].line
        save(state)
    state.finished = True
    save(state)


async def _taken(entries: Sequence[Entry], take: Take, patience_s: float) -> list[Result]:
    """Return the final outcome of each; what is unavailable is tried again, only that."""
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + patience_s, RETRY_S
    final: list[Result] = []
    while entries:
        results = await take(entries)
        final += [result for result in results if result.status is not Status.UNAVAILABLE]
        unavailable = [
            (entry, result)
            for entry, result in zip(entries, results, strict=True)
            if result.status is Status.UNAVAILABLE
        ]
        if not unavailable:
            break
        if clock() + pause > deadline:
            raise Transient(unavailable[0][1].detail or "kafka takes nothing")
        entries = [entry for entry, _ in unavailable]
        await asyncio.sleep(pause)
        pause = min(pause * 2, MAX_RETRY_S)
    return final


def _after(steps: Iterable[Step], done: int) -> Iterator[Step]:
    for number, step in enumerate(steps):
        if number >= done:
            yield step


def _batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    batch: list[Step] = []
    held = size = 0
    for step in steps:
        full = len(batch) >= BATCH or held + len(step.entries) > BATCH
        if batch and (full or size + step.size > BATCH_BYTES):
            yield batch
            batch, held, size = [], 0, 0
        batch.append(step)
        held += len(step.entries)
        size += step.size
    if batch:
        yield batch
