"""The one path behind every door: prepare → dedupe → mark repeats → write → acknowledge late.

Coalescing: a record is claimed by its id before anything is awaited, so of equal items that are in
flight at the same time, in one batch or in many requests, one is written and all are answered by it.
The claim is held until the id is remembered in the dedupe store (or the store failed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from services.ingest.flight import Fate, Gathering, Record
from services.ingest.log import Log
from services.ingest.metering import Metering
from services.ingest.outcome import Claim, Result, Status, result_of
from services.ingest.prepare import Door, Entry, Prepared, Preparer, Raw
from services.ingest.repeats import Repeats
from services.ingest.whereabouts import Known, Whereabouts
from shared.errors import Transient
from shared.ports import Dedupe

_log = structlog.get_logger(__name__)

SLICE = 50
"""Items prepared or written in one go: then other requests have their turn."""

SHARE_OF_WAITING = 0.5
"""Of the deadline so much at most is spent waiting for larger requests: the rest is Kafka's."""

REMEMBER_EVERY_S = 0.005
"""Written ids gather for so long, then one round trip remembers them; nobody waits for it."""


class Intake:
    """Takes items from any door."""

    def __init__(
        self,
        preparer: Preparer,
        dedupe: Dedupe,
        repeats: Repeats,
        whereabouts: Whereabouts,
        log: Log,
        metering: Metering,
        deadline_s: float,
    ) -> None:
        self._preparer = preparer
        self._dedupe = dedupe
        self._repeats = repeats
        self._whereabouts = whereabouts
        self._log = log
        self._metering = metering
        self._deadline_s = deadline_s
        self._claimed: dict[str, Prepared] = {}
        self._written: list[Prepared] = []
        self._remembering: asyncio.Task[None] | None = None
        self._preparing = asyncio.Lock()

    async def take(self, entries: Sequence[Entry], door: Door) -> list[Result]:
        """Return the outcome of each of ``entries``, in order, within the deadline.

        UNAVAILABLE means that it is not known to be written; it may still be, later. Sending the
        same again is always right.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._deadline_s
        claims: list[Claim] = []
        try:
            customers = await self._whereabouts.find(entries, door, self._preparer)
            if len(entries) <= SLICE:
                await self._claim_all(entries, door, customers, claims)
            elif await self._has_turn():
                try:
                    await self._claim_all(entries, door, customers, claims)
                finally:
                    self._preparing.release()
            else:
                return [_overloaded(entry) for entry in entries]
            mine = [claim.item for claim in claims if claim.owned]
            known = await self._known(mine)
            fresh = [item for item in mine if item.record.id not in known]
            await self._repeats.mark(fresh, self._preparer)
            await self._write_extras(fresh, deadline)
            await self._write(mine, known)
            await Gathering([claim.record for claim in claims]).wait(deadline - clock())
        finally:
            _abandon(claims)
        return self._results(claims)

    async def settle(self) -> None:
        """Return when all that was written is remembered too, or the store has failed."""
        while self._remembering is not None:
            await asyncio.wait([self._remembering])

    async def _has_turn(self) -> bool:
        """Wait for the larger requests that came before; small ones pass them by.

        All at once they would all be late, and the memory of all be needed.
        """
        try:
            async with asyncio.timeout(SHARE_OF_WAITING * self._deadline_s):
                await self._preparing.acquire()
        except TimeoutError:
            return False
        return True

    async def _claim_all(
        self,
        entries: Sequence[Entry],
        door: Door,
        customers: Known | None,
        claims: list[Claim],
    ) -> None:
        for number, entry in enumerate(entries, 1):
            if customers is None:
                claims.append(self._claim(entry, door, None))
            else:
                claims.append(self._claim(entry, door, customers.of(entry)))
                customers.learn(claims[-1].item)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _claim(self, entry: Entry, door: Door, customer: str | None) -> Claim:
        item = self._preparer.prepare(entry, door, customer)
        first = self._claimed.setdefault(item.record.id, item)
        if first is item:
            item.record.on_settled = self._settled
        return Claim(item, first.record)

    async def _known(self, items: Sequence[Prepared]) -> frozenset[str]:
        if not items:
            return frozenset()
        try:
            return await self._dedupe.known([item.record.id for item in items])
        except Transient:
            return frozenset()  # accept: escalation drops doubles inside its own transaction

    async def _write_extras(self, items: Sequence[Prepared], deadline: float) -> None:
        """Write what goes along first: an item that is taken has its original kept."""
        extras = [record for item in items for record in item.extra]
        if not extras:
            return
        for record in extras:
            self._append(record)
        await Gathering(extras).wait(deadline - asyncio.get_running_loop().time())
        for item in items:
            if any(record.fate is not Fate.WRITTEN for record in item.extra):
                item.record.settle(Fate.FAILED, "what goes along with it could not be written")

    async def _write(self, items: Sequence[Prepared], known: frozenset[str]) -> None:
        refused = ""
        for number, item in enumerate(items, 1):
            record = item.record
            if record.id in known:
                record.settle(Fate.KNOWN)
            elif refused:
                record.settle(Fate.FAILED, refused)
            elif record.fate is Fate.PENDING:
                refused = self._append(record)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _append(self, record: Record) -> str:
        """Hand ``record`` to the log; return why that failed, empty if it did not."""
        try:
            self._log.append(record)
        except Transient as error:
            record.settle(Fate.FAILED, str(error))
            return str(error)
        record.taken = True
        return ""

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
                try:
                    self._metering.accepted(items)
                    await self._remember_ids(items)
                    await self._repeats.remember(items)
                    await self._whereabouts.remember(items)
                except Transient:
                    pass  # a second delivery is dropped further down
                except Exception:  # noqa: BLE001 (logged; what is written stays written)
                    _log.exception("written items could not be remembered")
                finally:
                    for item in items:
                        self._claimed.pop(item.record.id, None)
        finally:
            self._remembering = None

    async def _remember_ids(self, items: Sequence[Prepared]) -> None:
        by_retention: dict[float | None, list[str]] = {}
        for item in items:
            by_retention.setdefault(item.dedupe_s, []).append(item.record.id)
        for retention, known in by_retention.items():
            await self._dedupe.remember(known, retention)

    def _results(self, claims: Sequence[Claim]) -> list[Result]:
        results = [result_of(claim, self._deadline_s) for claim in claims]
        for claim, result in zip(claims, results, strict=True):
            if result.status is Status.DUPLICATE and claim.item.channel is not None:
                self._metering.duplicate(claim.item.channel)
            elif result.status is Status.REJECTED and claim.item.rejected is not None:
                self._metering.rejected(claim.item.channel, claim.item.rejected.reason)
        return results


def _overloaded(entry: Entry) -> Result:
    line = entry.line if isinstance(entry, Raw) else None
    detail = "overloaded: requests that came before take too long"
    return Result(Status.UNAVAILABLE, reason="unavailable", detail=detail, line=line)


def _abandon(claims: Sequence[Claim]) -> None:
    """Let go of what a request that was cut short did not get to."""
    for claim in claims:
        if claim.owned and not claim.record.taken:
            claim.record.settle(Fate.FAILED, "the request was cut short")
