"""Keeps attempts apart, also those that seemed to work: a page was read, then the rest failed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable


class Pace:
    """Lets attempts begin ``gap_s`` seconds apart at least."""

    def __init__(self, gap_s: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._gap_s = gap_s
        self._sleep = sleep
        self._began = -math.inf

    async def wait(self) -> None:
        """Return when the next attempt may begin; the first one may at once."""
        loop = asyncio.get_running_loop()
        left = self._began + self._gap_s - loop.time()
        if left > 0:
            await self._sleep(left)
        self._began = loop.time()
