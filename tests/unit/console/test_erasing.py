"""Erasing a customer over HTTP: what is sent, and what is not."""

from __future__ import annotations

import msgspec
import pytest

from shared.events import EraseCustomer
from tests.unit.console.rig import NOW, Site, case, play

CASE = case()


def test_an_erasure_is_sent_and_its_end_can_be_asked_for() -> None:
    async def scenario(site: Site) -> None:
        path = f"/customers/{CASE.record_key}/erase"
        sent = await site.post(path, {"reason": "asked for it"}, "admin")
        assert sent.status == 202
        [command] = site.worker.sent
        assert isinstance(command, EraseCustomer)
        assert (command.record_key, command.actor) == (CASE.record_key, "aname")
        assert (command.reason, command.tenant) == ("asked for it", "acme")
        assert sent.body["command_id"] == command.command_id
        where = sent.headers["Location"].removeprefix("/api/v1")
        assert (await site.get(where, "admin")).body == {"record_key": CASE.record_key, "cases": 1}

    play(scenario, [CASE])


def test_an_erasure_that_is_sent_again_takes_nothing_that_came_since() -> None:
    async def scenario(site: Site) -> None:
        path = f"/customers/{CASE.record_key}/erase"
        for key in ("k", "k", "other"):
            sent = await site.post(path, {"reason": "x"}, "admin", Idempotency_Key=key)
            assert sent.status == 202
            site.clock.advance(60.0)
        assert [one.at - NOW for one in site.worker.sent] == [0, 0, 120_000]

    play(scenario, [CASE])


def test_a_legal_hold_forbids_an_erasure() -> None:
    async def scenario(site: Site) -> None:
        path = f"/customers/{CASE.record_key}/erase"
        refused = await site.post(path, {"reason": "asked for it"}, "admin")
        assert (refused.status, refused.body["code"]) == (409, "legal_hold")
        assert CASE.case_id in refused.body["detail"]
        assert not site.worker.sent

    play(scenario, [msgspec.structs.replace(CASE, legal_hold="claim 1")])


@pytest.mark.parametrize("key", ["acme", "acme:", ":c1", CASE.case_id])
def test_a_customer_has_a_key_of_two_parts(key: str) -> None:
    async def scenario(site: Site) -> None:
        asked = await site.get(f"/customers/{key}/erasure", "admin")
        bad = await site.post(f"/customers/{key}/erase", {"reason": "x"}, "admin")
        assert (asked.status, asked.body["field"]) == (422, "record_key")
        assert (bad.status, bad.body["field"]) == (422, "record_key")
        assert not site.worker.sent

    play(scenario, [CASE])
