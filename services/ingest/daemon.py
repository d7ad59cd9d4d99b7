"""Blocking work in a thread that never holds up the end of the process.

The threads of asyncio's own pool are joined when the loop ends, however long a call to a broker that
is away still takes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


async def in_daemon(work: Callable[[], None], name: str) -> None:
    """Return when ``work`` has returned, or raise what it raised. Cancelled, it leaves it running."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(fault: BaseException | None) -> None:
        if done.done():
            return
        if fault is None:
            done.set_result(None)
        else:
            done.set_exception(fault)

    def run() -> None:
        fault: BaseException | None = None
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (it is raised where it is awaited)
            fault = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, fault)

    threading.Thread(target=run, name=name, daemon=True).start()
    await done
