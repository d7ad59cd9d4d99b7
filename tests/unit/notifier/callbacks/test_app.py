"""Signed call-backs over a real socket: commands, answers, and who gets no further."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.notifier.callbacks.app import MAX_BODY, Pace
from services.notifier.ports import Now
from shared.events import CommandKind
from tests.unit.notifier.callbacks.site import (
    CASE,
    NEXT,
    SECRET,
    Site,
    door,
    pagerduty,
    play,
    signed,
    slack,
    slack_headers,
)


async def changed(site: Site) -> tuple[str, Any]:
    """Wait for the one change of a message."""
    await asyncio.wait_for(site.desk.changed.wait(), 5)
    (only,) = site.desk.posted
    return only


# ---- what comes of an acknowledgement


def test_an_acknowledgement_in_pagerduty_is_a_command() -> None:
    async def scene(site: Site) -> None:
        for _ in range(2):
            status, body = await site.pagerduty(pagerduty())
            assert (status, body) == (200, {"status": "acknowledged", "case_id": CASE})
        await site.pagerduty(pagerduty(event_id="another"))

    first, again, other = play(scene).desk.sent
    assert first.kind is CommandKind.ACKNOWLEDGE
    assert (first.case_id, first.tenant, first.actor, first.note) == (CASE, "acme", "anna", None)
    assert first.command_id == again.command_id != other.command_id
    assert first.epoch == 3  # what was raised meanwhile is another page


def test_whoever_the_policy_does_not_know_acts_as_the_integration() -> None:
    async def scene(site: Site) -> None:
        assert (await site.slack(slack(user="U0BERT")))[0] == 200
        _, message = await changed(site)
        assert message["text"] == "Page: the brakes failed\nAcknowledged by anna.s."

    (command,) = play(scene).desk.sent
    assert (command.actor, command.note) == ("integration:my-slack", "by anna.s")


def test_a_button_in_slack_is_a_command_and_the_message_says_so() -> None:
    async def scene(site: Site) -> None:
        assert await site.slack(slack()) == (200, {})
        url, message = await changed(site)
        assert url == "https://hooks.slack.com/actions/T1/2/3"
        text = "Page: the brakes failed\nAcknowledged by anna."
        assert message == {"replace_original": True, "text": text}

    (command,) = play(scene).desk.sent
    assert (command.actor, command.case_id) == ("anna", CASE)


@pytest.mark.parametrize(
    ("stands", "status", "says", "replaced"),
    [
        (Now(4, True), "stale", "out of date", False),
        (Now(3, False), "already_acknowledged", "already", True),
        (None, "unknown_case", "no such case", False),
    ],
)
def test_a_page_that_does_not_stand_is_no_command(
    stands: Now | None, status: str, says: str, replaced: bool
) -> None:
    async def scene(site: Site) -> None:
        site.desk.cases = {} if stands is None else {CASE: stands}
        assert (await site.pagerduty(pagerduty()))[1]["status"] == status
        assert (await site.slack(slack()))[0] == 200
        _, message = await changed(site)
        assert says in message["text"]
        assert message["replace_original"] is replaced

    assert play(scene).desk.sent == []


@pytest.mark.parametrize("stands", [Now(2, True), None], ids=["behind", "being rebuilt"])
def test_a_view_that_does_not_have_the_page_yet_is_asked_again(stands: Now | None) -> None:
    async def scene(site: Site) -> None:
        site.desk.cases = {CASE: stands}
        assert (await site.pagerduty(pagerduty()))[0] == 503
        assert (await site.slack(slack()))[0] == 503
        site.desk.cases = {CASE: Now(3, True)}
        assert (await site.pagerduty(pagerduty()))[0] == 200

    site = play(scene)
    assert (len(site.desk.sent), site.desk.posted) == (1, [])


def test_a_name_in_slack_mentions_nobody() -> None:
    async def scene(site: Site) -> None:
        user = {"id": "U0EVE", "username": "<!channel>"}
        assert (await site.slack(slack(user=user)))[0] == 200
        _, message = await changed(site)
        assert message["text"].endswith("Acknowledged by &lt;!channel&gt;.")

    play(scene)


@pytest.mark.parametrize("kind", ["pagerduty", "slack"])
def test_a_proven_request_that_is_too_deep_is_malformed(kind: str) -> None:
    async def scene(site: Site) -> None:
        deep = "[" * 50_000
        if kind == "slack":
            status, body = await site.slack(f"payload={deep}".encode())
        else:
            status, body = await site.pagerduty(f'{{"x":{deep}'.encode())
        assert (status, body["reason"]) == (400, "malformed")

    play(scene)


def test_a_sink_of_other_tenants_acknowledges_nothing() -> None:
    async def scene(site: Site) -> None:
        assert (await site.pagerduty(pagerduty()))[1]["status"] == "unknown_case"

    assert play(scene, Site(door("pagerduty", tenants=("globex",)))).desk.sent == []


@pytest.mark.parametrize("kind", ["pagey.ping", "incident.resolved", "service.updated"])
def test_what_asks_nothing_is_taken_politely(kind: str) -> None:
    async def scene(site: Site) -> None:
        status, body = await site.pagerduty(pagerduty(kind))
        assert (status, body["status"]) == (200, "ignored")

    assert play(scene).desk.sent == []


# ---- what is away


@pytest.mark.parametrize("what", ["view_away", "kafka_away", "hangs"])
def test_nothing_is_answered_that_kafka_does_not_have(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.callbacks.acting.WITHIN_S", 0.2)

    async def scene(site: Site) -> None:
        setattr(site.desk, what, True)
        body = pagerduty()
        path = "/hooks/pagerduty/my-pagerduty"
        async with site.client.post(path, data=body, headers=signed(body)) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert (await site.slack(slack()))[0] == 503
        setattr(site.desk, what, False)
        assert (await site.pagerduty(body))[0] == 200

    assert len(play(scene).desk.sent) == 1


# ---- who gets no further


def test_a_wrong_signature_is_401_and_counted() -> None:
    async def scene(site: Site) -> None:
        body = pagerduty()
        path = "/hooks/pagerduty/my-pagerduty"
        assert (await site.pagerduty(body, "wrong"))[0] == 401
        assert (await site.post(path, body, {}))[0] == 401
        assert (await site.post(path, body + b"\n", signed(body)))[0] == 401
        assert (await site.slack(slack(), age_s=301))[0] == 401
        assert (await site.slack(slack(), age_s=-301))[0] == 401
        headers = slack_headers(slack(), site.clock.now_ms(), "wrong")
        assert (await site.post("/hooks/slack/my-slack", slack(), headers))[0] == 401

    site = play(scene)
    assert site.desk.sent == []
    name = "tocsin_source_unauthentic_total"
    for provider in ("pagerduty", "slack"):
        assert site.metrics.registry.get_sample_value(name, {"provider": provider}) == 3


def test_two_secrets_are_valid_at_a_time() -> None:
    async def scene(site: Site) -> None:
        for secret in (SECRET, NEXT):
            assert (await site.pagerduty(pagerduty(), secret))[0] == 200
        assert (await site.pagerduty(pagerduty(), "a third"))[0] == 401

    play(scene, Site(door("pagerduty", NEXT, SECRET)))


@pytest.mark.parametrize("age_s", [299, -299])
def test_a_request_of_slack_is_valid_for_five_minutes(age_s: int) -> None:
    async def scene(site: Site) -> None:
        assert (await site.slack(slack(), age_s))[0] == 200

    play(scene)


def test_unknown_sinks_kinds_and_methods() -> None:
    async def scene(site: Site) -> None:
        body = pagerduty()
        for path, status in (
            ("/hooks/pagerduty/nobody", 404),
            ("/hooks/slack/my-pagerduty", 404),
            ("/hooks/teams/my-pagerduty", 404),
            ("/hooks/pagerduty", 404),
            ("/", 404),
        ):
            assert (await site.post(path, body, signed(body)))[0] == status, path
        async with site.client.get("/hooks/pagerduty/my-pagerduty") as answer:
            assert answer.status == 405

    assert play(scene).desk.sent == []


def test_bodies_have_limits() -> None:
    async def scene(site: Site) -> None:
        path = "/hooks/pagerduty/my-pagerduty"
        large = b" " * (MAX_BODY + 1)
        assert (await site.post(path, large, signed(large)))[0] == 413
        for junk in (b"", b"{", b"[]", b"{}"):
            assert (await site.post(path, junk, signed(junk)))[0] == 400
        packed = signed(pagerduty()) | {"Content-Encoding": "gzip"}
        assert (await site.post(path, pagerduty(), packed))[0] == 415

    assert play(scene).desk.sent == []


def test_a_sink_that_calls_too_often_waits_and_the_other_does_not() -> None:
    async def scene(site: Site) -> None:
        statuses = [(await site.pagerduty(pagerduty()))[0] for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        for _ in range(5):  # what is not proven takes nothing away
            assert (await site.pagerduty(pagerduty(), "wrong"))[0] == 401
        assert (await site.slack(slack()))[0] == 200
        site.clock.advance(1_000)
        assert (await site.pagerduty(pagerduty()))[0] == 200

    play(scene, Site(pace=Pace(1.0, 2.0)))


def test_a_door_that_drains_sends_others_away() -> None:
    async def scene(site: Site) -> None:
        await site.hooks.drain(1.0)
        assert (await site.pagerduty(pagerduty()))[0] == 503
        assert site.hooks.problem() == "draining"

    assert play(scene).desk.sent == []
