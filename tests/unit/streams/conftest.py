from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.streams import producer as native
from shared.streams import transaction
from shared.streams.dead_letters import Limit
from shared.streams.records import Assignment
from shared.streams.transaction import Transactor
from tests.unit.streams.fakes import FakeProducer, ScriptedHandler, assignment, eventually, metrics


class Rig:
    """A transactor between a scripted handler and a fake producer."""

    def __init__(self, handler: ScriptedHandler, **bounds: Any) -> None:
        self.handler = handler
        self.producer = FakeProducer()
        self.metrics = metrics()
        self.failures: list[BaseException] = []
        self.transactor = Transactor(
            handler,
            {"transactional.id": "slot-0"},
            self.metrics,
            bounds.pop("limit", Limit(1_000, 1.0, 1_000)),
            self.failures.append,
            **({"max_records": 100, "max_bytes": 10_000, "queue_bytes": 1_000} | bounds),
        )

    def assign(self, generation: int = 1, **positions: int) -> Assignment:
        """Give the worker an assignment and wait until its state is caught up."""
        given = assignment(generation, **(positions or {"p0": 0}))
        self.transactor.assign(given)
        eventually(lambda: self.transactor.ready or self.failures, "never ready")
        return given

    def commits(self, number: int) -> None:
        """Wait until so many transactions were committed and the worker is idle again."""
        eventually(
            lambda: len(self.producer.committed) >= number and self.transactor.idle,
            f"{len(self.producer.committed)} commits instead of {number}",
        )
        assert len(self.producer.committed) == number
        assert self.failures == []

    def failed(self) -> BaseException:
        """Wait until the worker gave up; return why."""
        eventually(lambda: self.failures and not self.transactor.alive, "it never failed")
        (error,) = self.failures
        return error


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    """Return a function that makes a rig; all that were started are stopped at the end."""
    monkeypatch.setattr(transaction, "BACKOFF_S", (0.0,))
    made: list[Rig] = []

    def make(handler: ScriptedHandler | None = None, *, start: bool = True, **bounds: Any) -> Rig:
        rig = Rig(handler or ScriptedHandler(), **bounds)
        made.append(rig)

        def producer(settings: dict[str, Any], **_: object) -> FakeProducer:
            rig.producer.settings = settings
            return rig.producer

        monkeypatch.setattr(native, "Producer", producer)
        if start:
            rig.transactor.start()
            eventually(lambda: "init" in rig.producer.calls)
        return rig

    yield make
    for rig in made:
        if rig.transactor.alive:
            rig.transactor.stop(5.0)
            assert not rig.transactor.alive


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()
