"""What a collector is to its supervisor: something that yields pages from where it left off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from services.ingest.channels.provider import Delivery
from services.ingest.registry import Configured
from shared.clock import Clock
from shared.errors import Transient
from shared.ports import Dedupe


class Refused(Exception):
    """The source will not have us: a revoked token, a wrong password, an account that is gone.

    No retry helps, and many would lock the account: the source stops until its configuration changes.
    """


class Busy(Transient):
    """The source asks for a pause of ``retry_after_s`` seconds: a quota, a maintenance."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


NOTHING = Delivery()


async def _nothing() -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Page:
    """What was read, and how far that goes.

    ``cursor`` is stored once all of ``delivery`` is in Kafka, and is where the next start begins; None
    leaves it where it was. ``confirm`` is called then as well (marking mail as seen). An empty page is
    a heartbeat: the source was asked and answered.
    """

    delivery: Delivery = NOTHING
    cursor: str | None = None
    confirm: Callable[[], Awaitable[None]] = _nothing


@dataclass(frozen=True)
class Outside:
    """What a request to a platform needs; injected, so that tests can stand in for it."""

    http: aiohttp.ClientSession
    clock: Clock


@dataclass(frozen=True)
class Surroundings(Outside):
    """What a collector may use of the outside. ``ids`` remembers which items were taken."""

    sleep: Callable[[float], Awaitable[None]]
    ids: Dedupe


class Collector(Protocol):
    """Reads one source."""

    def pages(self, cursor: str | None) -> AsyncIterator[Page]:
        """Yield pages for ever, beginning after ``cursor`` (None: the source was never read).

        What is yielded again after a restart is recognised as a duplicate, so when in doubt begin
        earlier. The generator is closed when the source stops; it lets go of its connections then.

        Raises:
            Refused: no retry helps.
            Transient: it is tried again with back-off; ``Busy`` says when.
        """
        ...


Factory = Callable[[Configured, Surroundings], Collector]
