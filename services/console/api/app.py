"""The application: every route behind the gate, and the document that describes them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from services.console.api import openapi
from services.console.api.gate import Gate
from services.console.api.query import MAX_BODY
from services.console.api.reads import Reads
from services.console.api.routes import PREFIX, Route
from services.console.api.writes import Writes
from services.console.tokens import Caller
from shared.metrics import build_version


def make_app(gate: Gate, reads: Reads, writes: Writes) -> web.Application:
    """Return the application of the API."""
    routes = table(reads, writes)
    labels = {route.name: route.label for route in routes}
    app = web.Application(client_max_size=MAX_BODY, middlewares=[gate.middleware(labels)])
    for route in routes:
        handler, path = gate.guarded(route), PREFIX + route.path
        if route.method == "GET":
            app.router.add_get(path, handler, name=route.name)
        else:
            app.router.add_post(path, handler, name=route.name)
    return app


def table(reads: Reads, writes: Writes) -> Sequence[Route]:
    """Return all routes; the document describes itself as well."""
    document = b""

    async def get_openapi(_: web.Request, __: Caller) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    described = Route(
        "get_openapi", "GET", "/openapi.json", None, "read",
        "Get this document", get_openapi, {200: None},
    )  # fmt: skip
    routes = (*reads.routes(), *writes.routes(), described)
    document = openapi.document(routes, build_version())
    return routes
