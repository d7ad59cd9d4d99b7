"""Blocking work in a thread that never holds up the end of the process.

The threads of asyncio's own pool are joined when the loop ends, however long a call to a broker that
is away still takes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_daemon(work: Callable[[], T], name: str) -> T:
    """Return what ``work`` returns, or raise what it raises. Cancelled, it leaves it running."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        if not done.done():
            act()

    def run() -> None:
        try:
            act = partial(done.set_result, work())
        except BaseException as error:  # noqa: BLE001 (it is raised where it is awaited)
            act = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(settle, act)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
