"""One poller for all who wait, and none when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import msgspec
import pytest

from services.console.waiting import Waiting, is_settled
from shared.errors import Transient
from shared.events import Case, Refused
from tests.unit.console.rig import case

ONE, TWO = case("c1"), case("c2")


class View:
    """Cases that change under who reads them."""

    def __init__(self) -> None:
        self.cases = {one.case_id: one for one in (ONE, TWO)}
        self.reads: list[frozenset[str]] = []
        self.at: list[float] = []
        self.away = False
        self.was_read = asyncio.Event()

    async def read(self, case_ids: Collection[str]) -> Mapping[str, Case]:
        self.reads.append(frozenset(case_ids))
        self.was_read.set()
        self.at.append(asyncio.get_running_loop().time())
        if self.away:
            raise Transient("Redis: away")
        return {case_id: self.cases[case_id] for case_id in case_ids if case_id in self.cases}

    def take(self, taken: Case, command_id: str) -> None:
        now = self.cases[taken.case_id]
        changed = msgspec.structs.replace(now, commands=(*now.commands, command_id))
        self.cases[taken.case_id] = changed


async def until(view: View, reads: int) -> None:
    async with asyncio.timeout(10):
        while len(view.reads) < reads:
            view.was_read.clear()
            await view.was_read.wait()


def test_a_command_is_settled_when_the_case_lists_it() -> None:
    assert not is_settled(ONE, "x")
    assert is_settled(msgspec.structs.replace(ONE, commands=("x",)), "x")
    refused = (Refused(command_id="x", refusal="invalid"),)
    assert is_settled(msgspec.structs.replace(ONE, refused=refused), "x")


def test_all_who_wait_are_served_by_one_read() -> None:
    async def main() -> None:
        view = View()
        waiting = Waiting(view.read)
        asked = [
            asyncio.create_task(waiting.shown(one.case_id, f"x{n}", 10.0))
            for one in (ONE, TWO)
            for n in range(100)
        ]
        await until(view, 3)
        assert set(view.reads) == {frozenset({ONE.case_id, TWO.case_id})}
        for one in (ONE, TWO):
            for number in range(100):
                view.take(one, f"x{number}")
        found = await asyncio.gather(*asked)
        assert {one.case_id for one in found if one} == {ONE.case_id, TWO.case_id}
        assert None not in found
        assert len(waiting) == 0

    asyncio.run(main())


def test_the_poller_paces_itself_and_rests_when_nobody_waits() -> None:
    async def main() -> None:
        view = View()
        waiting = Waiting(view.read, every_s=0.02)
        assert await waiting.shown(ONE.case_id, "x", 0.3) is None
        gaps = [late - early for early, late in zip(view.at, view.at[1:], strict=False)]
        assert min(gaps) >= 0.018
        await asyncio.sleep(0.05)
        reads = len(view.reads)
        await asyncio.sleep(0.1)
        assert len(view.reads) == reads
        view.take(ONE, "y")
        assert await waiting.shown(ONE.case_id, "y", 10.0) is not None

    asyncio.run(main())


def test_a_view_that_is_away_is_asked_again() -> None:
    async def main() -> None:
        view = View()
        waiting = Waiting(view.read)
        view.away = True
        asked = asyncio.create_task(waiting.shown(ONE.case_id, "x", 10.0))
        await until(view, 3)
        view.away = False
        view.take(ONE, "x")
        assert await asked is not None

    asyncio.run(main())


def test_whoever_comes_when_too_many_wait_is_not_kept() -> None:
    async def main() -> None:
        view = View()
        waiting = Waiting(view.read, limit=2)
        asked = [asyncio.create_task(waiting.shown(ONE.case_id, "x", 10.0)) for _ in range(2)]
        await until(view, 1)
        assert await waiting.shown(TWO.case_id, "y", 10.0) is None
        assert await waiting.shown(TWO.case_id, "y", 0.0) is None
        view.take(ONE, "x")
        assert None not in await asyncio.gather(*asked)

    asyncio.run(main())


@pytest.mark.parametrize("gone", [True, False])
def test_who_waits_in_vain_is_told_after_its_time(gone: bool) -> None:
    async def main() -> None:
        view = View()
        if gone:
            del view.cases[ONE.case_id]
        waiting = Waiting(view.read)
        started = asyncio.get_running_loop().time()
        assert await waiting.shown(ONE.case_id, "x", 0.1) is None
        assert 0.09 <= asyncio.get_running_loop().time() - started < 5.0
        await waiting.stop()

    asyncio.run(main())
