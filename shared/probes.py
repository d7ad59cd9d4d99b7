"""``/metrics``, ``/livez`` and ``/readyz`` of one process: one port, GET and HEAD.

``/livez`` tells whether the main loop still goes round, not whether the broker can be reached: a
restart cures a stuck loop and nothing else. ``/readyz`` names what the process is waiting for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Check = Callable[[], str | None]
"""Return None when all is well, else what is wrong."""


def add_routes(
    app: web.Application, registry: CollectorRegistry, live: Check, ready: Sequence[Check]
) -> None:
    """Mount the three endpoints on ``app``."""

    async def metrics(request: web.Request) -> web.Response:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(registry), headers={"Content-Type": content_type})

    async def livez(_: web.Request) -> web.Response:
        return _answer([live()])

    async def readyz(_: web.Request) -> web.Response:
        return _answer([check() for check in ready])

    for path, handler in (("/metrics", metrics), ("/livez", livez), ("/readyz", readyz)):
        app.router.add_get(path, handler, allow_head=True)


def _answer(problems: Sequence[str | None]) -> web.Response:
    wrong = [problem for problem in problems if problem]
    if wrong:
        return web.Response(status=503, text="\n".join(wrong) + "\n")
    return web.Response(text="ok\n")


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Start ``app`` and return its runner and the port it got (``port`` 0 picks a free one).

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])
