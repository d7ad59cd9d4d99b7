"""What is recorded when a notification ends, and in which order; many at a time.

Kafka is waited for as long as it takes: nothing is forgotten meanwhile, and the window fills. Redis
only spares repetitions, so it is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from services.notifier.domain.customer import reply_due
from services.notifier.domain.lanes import Waiting
from services.notifier.domain.offsets import Mark
from services.notifier.feed import Buried
from services.notifier.ports import Ledger, Result, Told, Verdict
from shared.errors import Transient
from shared.events import (
    CaseCommand,
    CaseEvent,
    Delivery,
    DeliveryStatus,
    Insight,
    NoReply,
    Notification,
    ReplyDue,
)
from shared.streams.records import Partition

GATHER_S: Final = 0.02
"""Ends of so long are recorded together; nobody waits for them."""
RETRY_S: Final = 0.2
MOST_RETRY_S: Final = 5.0
MAX_DETAIL: Final = 500
_REMEMBERED: Final = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.PASSED_ON})
"""What was parked may be replayed under its id, and what was stale is found stale again."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ending:
    """What there is to record. Without ``delivery`` only the offset of ``mark`` is done.

    ``one`` tells the mark when it was open: it may be read anew meanwhile.
    """

    mark: Mark[Partition]
    one: Waiting[Mark[Partition]] | None = None
    delivery: Delivery | None = None
    commands: tuple[CaseCommand, ...] = ()
    reply: ReplyDue | None = None
    buried: Buried | None = None


def delivery_of(
    notification: Notification, status: DeliveryStatus, at: int, attempts: int, result: Result
) -> Delivery:
    """Return the record of how a notification ended."""
    return Delivery(
        notification_id=notification.notification_id,
        sink=notification.sink,
        target=notification.target,
        kind=notification.kind,
        status=status,
        tenant=notification.tenant,
        cause_id=_id_of(notification.cause),
        at=at,
        attempts=attempts,
        case_id=notification.case_id,
        epoch=notification.epoch,
        message=notification.message,
        reference=result.reference,
        detail=result.detail[:MAX_DETAIL],
    )


def reply_of(notification: Notification, result: Result, now: int) -> ReplyDue | None:
    """Return what a person has to do instead, if a customer cannot be told this way."""
    event, message = notification.cause, notification.message
    if result.verdict is not Verdict.UNSUITABLE or message is None:
        return None
    if not isinstance(event, CaseEvent) or event.case is None:
        return None
    due = reply_due(event, event.case, message, result.why or NoReply.REFUSED, now)
    if due is None:
        return None
    return msgspec.structs.replace(due, draft=result.draft, detail=result.detail)


def _id_of(cause: CaseEvent | ReplyDue | Insight) -> str:
    if isinstance(cause, CaseEvent):
        return cause.event_id
    return cause.reply_id if isinstance(cause, ReplyDue) else cause.insight_id


class Recorder:
    """Records ends in the order in which they come.

    Args:
        recorded: called with what is recorded, when everything of it is.
    """

    def __init__(
        self, ledger: Ledger, told: Told, recorded: Callable[[Sequence[Ending]], None]
    ) -> None:
        self._ledger = ledger
        self._told = told
        self._recorded = recorded
        self._ended: list[Ending] = []
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, ending: Ending) -> None:
        """Have an end recorded."""
        self._ended.append(ending)
        self._idle.clear()
        self._some.set()

    async def settled(self) -> None:
        """Return when everything is recorded."""
        await self._idle.wait()

    async def run(self) -> None:
        """Record for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            self._some.clear()
            batch, self._ended = self._ended, []
            await self._record(batch)
            self._recorded(batch)
            if not self._ended:
                self._idle.set()

    async def _record(self, batch: Sequence[Ending]) -> None:
        ledger = self._ledger
        commands = [command for one in batch for command in one.commands]
        if commands:
            await _surely(lambda: ledger.commands(commands))
        replies = [one.reply for one in batch if one.reply is not None]
        if replies:
            await _surely(lambda: ledger.reply_due(replies))
        parked = [one for one in batch if _is_parked(one) or one.buried is not None]
        if parked:
            await _surely(lambda: self._bury(parked))
        ended = [one.delivery for one in batch if one.delivery is not None]
        if ended:
            await _surely(lambda: ledger.deliveries(ended))
            await self._remember(batch)

    async def _bury(self, parked: Sequence[Ending]) -> None:
        for one in parked:
            if one.buried is not None:
                await self._ledger.bury(*one.buried)
            elif one.one is not None and one.delivery is not None:
                await self._ledger.park(one.one.notification, one.delivery.detail)

    async def _remember(self, batch: Sequence[Ending]) -> None:
        ids = [
            ending.one.notification.told_as
            for ending in batch
            if ending.one and ending.delivery and ending.delivery.status in _REMEMBERED
        ]
        try:
            if ids:
                await self._told.remember(ids)
        except Transient as error:  # they may be told once more, under the same ids
            log.warning("what was told is not remembered", count=len(ids), error=str(error))


def _is_parked(one: Ending) -> bool:
    return one.delivery is not None and one.delivery.status is DeliveryStatus.PARKED


async def _surely(work: Callable[[], Awaitable[None]]) -> None:
    wait = RETRY_S
    while True:
        try:
            return await work()
        except Transient as error:
            log.warning("Kafka does not take what ended; trying again", error=str(error))
            await asyncio.sleep(wait)
            wait = min(wait * 2, MOST_RETRY_S)
