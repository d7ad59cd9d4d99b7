"""Which couriers run as the file of sinks changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from services.notifier.courier import Courier
from services.notifier.couriers import Couriers, NoWriter, Wanted, wanted
from services.notifier.ports import Sink, Verdict
from services.notifier.registry import Registry
from services.notifier.settings import Sinks, SinkSettings
from shared.errors import Misconfigured
from shared.events import NoReply
from tests.unit.notifier.test_registry import fine, written
from tests.unit.notifier.world import notification

CUSTOMERS = ["customer.email", "customer.phone", "customer.reviews", "customer.social"]
HOOK = "[sinks.{}]\nkind = 'webhook'\nurl = '{}'\n"


class FakeCourier:
    """Says when it starts and stops."""

    def __init__(self, name: str, story: list[str]) -> None:
        self.name, self.story, self.ready = name, story, name != "slow"

    def start(self, _: object) -> None:
        self.story.append(f"+{self.name}")

    async def stop(self, timeout_s: float) -> None:
        await asyncio.sleep(0)
        self.story.append(f"-{self.name}")

    def silent_for_s(self) -> float:
        return 7.0 if self.name == "slow" else 1.0


class Rig:
    """Couriers on a file."""

    def __init__(self, folder: Path, text: str) -> None:
        self.path = written(folder / "sinks.toml", text)
        self.registry = Registry(self.path, fine)
        self.story: list[str] = []
        self.couriers = Couriers(self.registry, self._sink, self._courier)

    def _sink(self, one: Wanted) -> Sink:
        if one.settings and one.settings.url == "bad":
            raise Misconfigured("bad")
        if one.settings and one.settings.url == "bug":
            raise ValueError("a bug")
        return NoWriter(one.name)

    def _courier(self, one: Wanted, sink: Sink) -> Courier:
        return cast("Courier", FakeCourier(sink.name, self.story))

    async def changes(self, text: str) -> list[str]:
        """Change the file; return what began and ended."""
        del self.story[:]
        written(self.path, text)
        assert self.registry.refresh()
        await asyncio.sleep(0)
        await asyncio.gather(*self.couriers._changes)
        return self.story


def test_every_change_touches_only_its_sink(tmp_path: Path) -> None:
    a, b = HOOK.format("a", 1), HOOK.format("b", 1)

    async def main() -> None:
        rig = Rig(tmp_path, a)
        await rig.couriers.start(lambda _: None)
        assert sorted(rig.story) == sorted(["+a", *(f"+{one}" for one in CUSTOMERS)])
        assert await rig.changes(a + b) == ["+b"]
        assert await rig.changes(HOOK.format("a", 2) + b) == ["-a", "+a"]
        assert await rig.changes(a + "disabled = true\n" + b) == ["-a"]
        assert await rig.changes(a + b) == ["+a"]
        assert await rig.changes(b) == ["-a"]
        assert await rig.changes(HOOK.format("b", "bad")) == ["-b"]  # and others go on
        assert await rig.changes(b + "[people.anna]\nemail = 'a@example.com'\n") == ["+b"]
        writer = "[writers.email]\nkind = 'smtp'\n[people.anna]\nemail = 'a@example.com'\n"
        assert await rig.changes(b + writer) == ["-customer.email", "+customer.email"]
        del rig.story[:]
        await rig.couriers.stop(1.0)
        assert sorted(rig.story) == sorted(["-b", *(f"-{one}" for one in CUSTOMERS)])
        assert await rig.changes(a) == []

    asyncio.run(main())


def test_what_is_waited_for_and_how_long_it_is_silent(tmp_path: Path) -> None:
    async def main() -> None:
        rig = Rig(tmp_path, HOOK.format("slow", 1) + HOOK.format("quick", 1))
        await rig.couriers.start(lambda _: None)
        assert rig.couriers.problem() == "sinks wait for partitions: slow"
        assert rig.couriers.silent_for_s() == 7.0
        await rig.changes(HOOK.format("quick", 1))
        assert rig.couriers.problem() is None

    asyncio.run(main())


def test_a_change_that_fails_ends_the_process_instead_of_leaving_sinks_unserved(
    tmp_path: Path,
) -> None:
    failures: list[BaseException] = []

    async def main() -> None:
        rig = Rig(tmp_path, HOOK.format("a", 1))
        await rig.couriers.start(failures.append)
        written(rig.path, HOOK.format("a", "bug"))
        assert rig.registry.refresh()
        await asyncio.sleep(0)
        await asyncio.gather(*rig.couriers._changes, return_exceptions=True)

    asyncio.run(main())
    assert [str(one) for one in failures] == ["a bug"]


def test_the_label_is_the_kind_of_the_sink() -> None:
    hook = SinkSettings(kind="webhook")
    found = wanted(Sinks(sinks={"crm": hook}, writers={"email": SinkSettings(kind="smtp")}))
    assert found["crm"].kind == "webhook"
    assert found["customer.email"].kind == "customer.email"
    assert found["customer.phone"].settings is None


def test_without_a_writer_a_person_has_to_write() -> None:
    result = asyncio.run(NoWriter("customer.email").deliver(notification(1)))
    assert (result.verdict, result.why) == (Verdict.UNSUITABLE, NoReply.NO_WRITER)
