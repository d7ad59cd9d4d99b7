"""The one path behind every door: prepare → dedupe → write → acknowledge late.

Coalescing: a record is claimed by its id before anything is awaited, so of equal items that are in
flight at the same time, in one batch or in many requests, one is written and all are answered by it.
The claim is held until the id is remembered in the dedupe store (or the store failed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.ingest.flight import Fate, Gathering, Record
from services.ingest.log import Log
from services.ingest.metering import Metering
from services.ingest.outcome import Claim, Result, Status, result_of
from services.ingest.prepare import Door, Prepared, Preparer, Raw
from shared.errors import Transient
from shared.ports import Dedupe

SLICE = 200
"""Items prepared or written in one go: then other requests have their turn."""

REMEMBER_EVERY_S = 0.005
"""Written ids gather for so long, then one round trip remembers them; nobody waits for it."""


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
        self._claimed: dict[str, Prepared] = {}
        self._written: list[Prepared] = []
        self._remembering: asyncio.Task[None] | None = None

    async def take(self, raws: Sequence[Raw], door: Door) -> list[Result]:
        """Return the outcome of each of ``raws``, in order, within the deadline.

        UNAVAILABLE means that it is not known to be written; it may still be, later. Sending the
        same again is always right.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._deadline_s
        claims: list[Claim] = []
        try:
            for number, raw in enumerate(raws, 1):
                claims.append(self._claim(raw, door))
                if number % SLICE == 0:
                    await asyncio.sleep(0)
            mine = [claim.record for claim in claims if claim.owned]
            await self._write(mine, await self._known(mine))
            await Gathering([claim.record for claim in claims]).wait(deadline - clock())
        finally:
            _abandon(claims)
        return self._results(claims)

    async def settle(self) -> None:
        """Return when all that was written is remembered too, or the store has failed."""
        while self._remembering is not None:
            await asyncio.wait([self._remembering])

    def _claim(self, raw: Raw, door: Door) -> Claim:
        item = self._preparer.prepare(raw, door)
        first = self._claimed.setdefault(item.record.id, item)
        if first is item:
            item.record.on_settled = self._settled
        return Claim(item, first.record)

    async def _known(self, records: Sequence[Record]) -> frozenset[str]:
        if not records:
            return frozenset()
        try:
            return await self._dedupe.known([record.id for record in records])
        except Transient:
            return frozenset()  # accept: escalation drops doubles inside its own transaction

    async def _write(self, records: Sequence[Record], known: frozenset[str]) -> None:
        refused: Transient | None = None
        for number, record in enumerate(records, 1):
            if record.id in known:
                record.settle(Fate.KNOWN)
            elif refused is not None:
                record.settle(Fate.FAILED, str(refused))
            else:
                try:
                    self._log.append(record)
                    record.taken = True
                except Transient as error:
                    refused = error
                    record.settle(Fate.FAILED, str(error))
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _settled(self, record: Record) -> None:
        """Release the claim, or keep it until the id is remembered."""
        if record.fate is not Fate.WRITTEN:
            self._claimed.pop(record.id, None)
            return
        self._written.append(self._claimed[record.id])
        if self._remembering is None:
            self._remembering = asyncio.get_running_loop().create_task(self._remember())

    async def _remember(self) -> None:
        """Remember bursts of written records; only now, since Kafka has them."""
        try:
            while self._written:
                await asyncio.sleep(REMEMBER_EVERY_S)
                items, self._written = self._written, []
                self._metering.accepted(items)
                try:
                    await self._dedupe.remember([item.record.id for item in items])
                except Transient:
                    pass  # a second delivery is dropped further down
                finally:
                    for item in items:
                        self._claimed.pop(item.record.id, None)
        finally:
            self._remembering = None

    def _results(self, claims: Sequence[Claim]) -> list[Result]:
        results = [result_of(claim, self._deadline_s) for claim in claims]
        for claim, result in zip(claims, results, strict=True):
            if result.status is Status.DUPLICATE and claim.item.channel is not None:
                self._metering.duplicate(claim.item.channel)
            elif result.status is Status.REJECTED and claim.item.rejected is not None:
                self._metering.rejected(claim.item.channel, claim.item.rejected.reason)
        return results


def _abandon(claims: Sequence[Claim]) -> None:
    """Let go of what a request that was cut short did not get to."""
    for claim in claims:
        if claim.owned and not claim.record.taken:
            claim.record.settle(Fate.FAILED, "the request was cut short")
