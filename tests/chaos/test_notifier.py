"""kill -9 of the notifier while it delivers: everybody is told, under one id, and not after the answer.

The judge looks at what the receivers wrote down and at the topics, and at nothing of the notifier.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from shared import topics
from shared.events import (
    CaseEvent,
    CaseEventKind,
    CaseState,
    Delivery,
    DeliveryStatus,
    Escalation,
    EscalationStatus,
)
from tests.chaos.rig import Size, seed
from tests.integration.notifier.receiver import FAIL, OK, Got, Receiver
from tests.integration.notifier.rig import Office, case, event, webhook
from tests.services import Installation, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

CASES_PER_KILL = 60
PAUSE_S = 0.05
GRACE_MS = 1_000
"""What was asked for before the answer was known, and is under way, arrives within so long."""

Brokers = tuple[EmbeddedKafka, EmbeddedRedis]


class Flaky(Receiver):
    """Takes its time, and refuses some: there is always something under way, and something to repeat."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(OK)
        self.delay_s = 0.05
        self._rng = rng

    def choose(self) -> int:
        return FAIL if self._rng.random() < 0.05 else OK


def acknowledged(number: int) -> CaseEvent:
    """Return the acknowledgement of the ``number``-th case."""
    done = Escalation(status=EscalationStatus.ACKNOWLEDGED, epoch=1, step=1)
    return event(
        CaseEventKind.ACKNOWLEDGED,
        case(number, case_seq=2, state=CaseState.ACKNOWLEDGED, escalation=done),
    )


def paged(number: int) -> CaseEvent:
    """Return the page of the ``number``-th case."""
    return event(CaseEventKind.ESCALATION_TRIGGERED, case(number), targets=("anna",))


def work(office: Office, numbers: Iterator[int], rng: random.Random, until: float) -> None:
    """Page for new cases, and acknowledge some of them a moment later, until a time (monotonic)."""
    waiting: list[tuple[float, int]] = []
    while time.monotonic() < until:
        number = next(numbers)
        page = paged(number)
        office.stand([page.case] if page.case else [])
        office.happen(page)
        if number % 3 == 0:
            waiting.append((time.monotonic() + rng.uniform(0.0, 3.0), number))
        for due in [one for one in waiting if one[0] <= time.monotonic()]:
            waiting.remove(due)
            _acknowledge(office, due[1])
        time.sleep(PAUSE_S)
    for _, number in waiting:
        _acknowledge(office, number)


def _acknowledge(office: Office, number: int) -> None:
    told = acknowledged(number)
    office.happen(told)
    assert told.case is not None
    office.stand([told.case])


def test_kill_9_in_mid_delivery_loses_nothing_and_repeats_under_the_same_id(
    brokers: Brokers, size: Size, tmp_path: Path
) -> None:
    kafka, redis = brokers
    chosen = seed()
    print(f"CHAOS_SEED={chosen} repeats it; logs in {tmp_path}", flush=True)
    rng = random.Random(chosen)
    numbers = iter(range(1_000_000))
    with Flaky(random.Random(chosen + 1)) as pager, Flaky(random.Random(chosen + 2)) as crm:
        office = Office(
            Installation(kafka.bootstrap, redis.url),
            tmp_path,
            {"default": webhook(pager.url), "crm": webhook(crm.url, "*")},
            notifier__concurrency=8,
        )
        try:
            office.wait_ready()
            for _ in range(max(3, size.bounces)):
                work(office, numbers, rng, time.monotonic() + CASES_PER_KILL * PAUSE_S)
                kill_in_mid_delivery(office, [next(numbers) for _ in range(20)], pager)
                office.again()
            office.wait_ready()
            written = office.read(topics.ESCALATIONS, CaseEvent)
            wait_for(lambda: not unanswered(office, written), "everything has ended", 120.0)
            assert office.terminate() == 0, office.log_tail()
            judge(office, written, pager.log, crm.log)
        finally:
            office.close()


def kill_in_mid_delivery(office: Office, numbers: list[int], pager: Receiver) -> None:
    """Page for these cases, and kill the notifier as soon as the receiver has the first of them."""
    office.wait_ready()
    pages = [paged(number) for number in numbers]
    office.stand([page.case for page in pages if page.case])
    mine = {page.event_id for page in pages}
    office.happen(*pages)
    wait_for(
        lambda: any(one.body["data"]["event_id"] in mine for one in list(pager.log)),
        "it delivers",
        60.0,
        0.002,
    )
    office.kill()


def unanswered(office: Office, written: list[CaseEvent]) -> set[tuple[str, str]]:
    """Return the events that have no record yet of how they ended, by sink."""
    ended = {(one.sink, one.cause_id) for one in office.deliveries()}
    pages = [one for one in written if one.kind is CaseEventKind.ESCALATION_TRIGGERED]
    wanted = {("crm", one.event_id) for one in written}
    return (wanted | {("default", one.event_id) for one in pages}) - ended


def judge(office: Office, written: list[CaseEvent], pager: list[Got], crm: list[Got]) -> None:
    """Check the promises."""
    answered = acknowledgements(office)
    pages = [one for one in written if one.kind is CaseEventKind.ESCALATION_TRIGGERED]
    asked = [one for one in pager if one.body["type"] == "notification.page"]
    got = {one.body["data"]["event_id"] for one in asked}
    lost = [one for one in pages if one.event_id not in got and one.case_id not in answered]
    assert not lost, f"{len(lost)} pages were never sent"
    missed = {one.event_id for one in written} - {one.body["data"]["event_id"] for one in crm}
    assert not missed, f"{len(missed)} events never reached the system that follows them"
    for log in (pager, crm):
        assert_one_id_each(log)
    late = [
        (one.case_id, one.at - answered[one.case_id])
        for one in asked
        if one.case_id in answered and one.at > answered[one.case_id] + GRACE_MS
    ]
    assert not late, f"paged after the acknowledgement, by so many ms: {late}"
    assert_records_hold(office.deliveries(), pager + crm)
    taken = Counter(one.webhook_id for one in pager + crm if one.status == OK)
    twice = sum(count > 1 for count in taken.values())
    print(f"{len(pages)} pages, {len(answered)} acknowledged, {twice} told twice", flush=True)
    assert twice  # else nothing was killed in mid-delivery, and nothing is shown


def acknowledgements(office: Office) -> dict[str, int]:
    """Return when the broker wrote the acknowledgement of a case, ms."""
    found: dict[str, int] = {}
    for one, at in office.read_dated(topics.ESCALATIONS, CaseEvent):
        if one.kind is CaseEventKind.ACKNOWLEDGED:
            found.setdefault(one.case_id, at)
    return found


def assert_one_id_each(log: list[Got]) -> None:
    """What says the same to the same has one id, however often it is said."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in log:
        ids[one.body["type"], one.body["data"]["event_id"]].add(one.webhook_id)
    several = {what: found for what, found in ids.items() if len(found) > 1}
    assert not several, several


def assert_records_hold(records: list[Delivery], log: list[Got]) -> None:
    """Whatever a record says was delivered, a receiver has."""
    got = {one.webhook_id for one in log}
    claimed = [one for one in records if one.status is DeliveryStatus.DELIVERED]
    false = [one.notification_id for one in claimed if one.notification_id not in got]
    assert not false, f"{len(false)} were recorded and never sent"
