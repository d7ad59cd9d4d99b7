"""The one path behind every door: prepare → dedupe → write → acknowledge late.

Coalescing: a record is claimed by its id before anything is awaited, so of equal items that are in
flight at the same time, in one batch or in many requests, one is written and all are answered by it.
The claim is held until the id is remembered in the dedupe store (or the store failed).
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from services.ingest.flight import Fate, Gathering, Record
from services.ingest.log import Log
from services.ingest.metering import Metering
from services.ingest.prepare import Door, Prepared, Preparer, Raw
from shared.errors import Transient
from shared.ports import Dedupe

SLICE = 200
"""Items prepared or written in one go: then other requests have their turn."""


class Status(enum.StrEnum):
    """What the sender is told about an item."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """Outcome of one item. ACCEPTED, DUPLICATE and REJECTED are final and durable."""

    status: Status
    id: str | None = None
    feedback_id: str | None = None
    reason: str | None = None
    detail: str | None = None
    line: int | None = None


class _Claim(NamedTuple):
    item: Prepared
    record: Record
    owned: bool


class Intake:
    """Takes items from any door."""

    def __init__(
        self, preparer: Preparer, dedupe: Dedupe, log: Log, metering: Metering, deadline_s: float
    ) -> None:
        self._preparer = preparer
        self._dedupe = dedupe
        self._log = log
        self._metering = metering
        self._deadline_s = deadline_s
        self._claimed: dict[str, Record] = {}
        self._to_remember: list[Record] = []
        self._remembering: asyncio.Task[None] | None = None

    async def take(self, raws: Sequence[Raw], door: Door) -> list[Result]:
        """Return the outcome of each of ``raws``, in order, within the deadline.

        UNAVAILABLE means that it is not known to be written; it may still be, later. Sending the
        same again is always right.
        """
        started = asyncio.get_running_loop().time()
        claims: list[_Claim] = []
        try:
            for at in range(0, len(raws), SLICE):
                claims += [self._claim(raw, door) for raw in raws[at : at + SLICE]]
                if len(raws) > SLICE:
                    await asyncio.sleep(0)
            mine = [claim.record for claim in claims if claim.owned]
            await self._write(mine, await self._known(mine))
            spent = asyncio.get_running_loop().time() - started
            await Gathering([claim.record for claim in claims]).wait(self._deadline_s - spent)
        finally:
            self._abandon(claims)
        self._meter(claims)
        return [_result(claim) for claim in claims]

    async def settle(self) -> None:
        """Wait until everything that was written is remembered too (or the store failed)."""
        while self._remembering is not None:
            await asyncio.wait([self._remembering])

    def _claim(self, raw: Raw, door: Door) -> _Claim:
        item = self._preparer.prepare(raw, door)
        first = self._claimed.setdefault(item.record.id, item.record)
        return _Claim(item, first, first is item.record)

    async def _known(self, records: Sequence[Record]) -> frozenset[str]:
        try:
            return await self._dedupe.known([record.id for record in records])
        except Transient:
            return frozenset()  # accept: escalation drops doubles inside its own transaction

    async def _write(self, records: Sequence[Record], known: frozenset[str]) -> None:
        for number, record in enumerate(records, 1):
            if record.id in known:
                self._claimed.pop(record.id, None)
                record.settle(Fate.KNOWN)
                continue
            ...

    def _abandon(self, claims: Sequence[_Claim]) -> None: ...
    def _meter(self, claims: Sequence[_Claim]) -> None: ...


def _result(claim: _Claim) -> Result: ...
