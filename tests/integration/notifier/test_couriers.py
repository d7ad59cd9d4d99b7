"""Events in, webhooks out: in order, once, and no sink at the expense of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from shared import ids
from shared.config import Scalar
from shared.events import CaseEventKind, CaseState, DeliveryStatus, Escalation, EscalationStatus
from tests.integration.notifier.receiver import FAIL, HANG, Receiver
from tests.integration.notifier.rig import Office, case, event, opened, webhook
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

Make = Callable[..., Office]


@pytest.fixture
def make(installation: Installation, tmp_path: Path) -> Iterator[Make]:
    made: list[Office] = []

    def office(sinks: Mapping[str, str], **extra: Scalar) -> Office:
        one = Office(installation, tmp_path, sinks, None, **extra)
        made.append(one)
        one.wait_ready()
        return one

    yield office
    for one in made:
        one.close()


def test_every_event_reaches_the_sink_once_and_in_the_order_of_its_case(make: Make) -> None:
    with Receiver() as crm:
        office = make({"crm": webhook(crm.url, "case.*")})
        kinds = (CaseEventKind.OPENED, CaseEventKind.INVESTIGATING, CaseEventKind.REPLIED)
        told = [
            event(kind, case(number, case_seq=seq))
            for seq, kind in enumerate(kinds, 1)
            for number in range(60)
        ]
        office.happen(*told)
        records = office.wait_delivered(len(told), "crm")
        assert len(crm.log) == len(set(crm.ids())) == len(told)
        for number in range(60):
            mine = [
                one.body["data"]["case_seq"]
                for one in crm.log
                if one.case_id == case(number).case_id
            ]
            assert mine == [1, 2, 3]
        assert {one.status for one in records} == {DeliveryStatus.DELIVERED}
        assert {one.cause_id for one in records} == {one.event_id for one in told}
        assert office.terminate() == 0
        office.again()
        office.wait_ready()
        office.happen(opened(99))
        office.wait_delivered(len(told) + 1, "crm")
        assert len(crm.log) == len(told) + 1  # nothing was told again


def test_sinks_that_hang_or_fail_delay_no_other(make: Make) -> None:
    with Receiver() as good, Receiver(HANG) as hangs, Receiver(FAIL) as fails:
        office = make(
            {
                "good": webhook(good.url, "case.*"),
                "hangs": webhook(hangs.url, "case.*", timeout_s="2.0"),
                "fails": webhook(fails.url, "case.*"),
            },
            notifier__concurrency=4,
            notifier__window=50,
        )
        office.happen(*(opened(number) for number in range(300)))
        office.wait_delivered(300, "good", 30.0)
        assert len(good.log) == 300
        assert not any(one.sink != "good" for one in office.deliveries())
        assert len(fails.log) < 50  # its circuit is open
        fails.answer = 204
        ended = office.wait_delivered(300, "fails", 60.0)  # called back, although steps are longer
        assert {one.status for one in ended} == {DeliveryStatus.DELIVERED}
        assert set(fails.ids()) == {one.notification_id for one in ended}


def test_a_page_is_not_sent_once_it_is_acknowledged(make: Make) -> None:
    with Receiver(FAIL) as pager:
        office = make({"default": webhook(pager.url)})
        pages = [
            event(CaseEventKind.ESCALATION_TRIGGERED, case(n), targets=("anna",)) for n in range(2)
        ]
        office.stand([case(0), case(1)])
        office.happen(pages[0])
        wait_for(lambda: pager.log, "the page is tried")
        done = Escalation(status=EscalationStatus.ACKNOWLEDGED, epoch=1)
        acknowledged = [
            case(n, case_seq=2, state=CaseState.ACKNOWLEDGED, escalation=done) for n in range(2)
        ]
        office.stand(acknowledged)
        pager.answer = 204
        office.happen(pages[1])  # acknowledged before it is ever sent
        ended = office.wait_delivered(2, "default")
        pages_of = [one for one in ended if one.kind == "page"]
        assert [one.status for one in pages_of] == [DeliveryStatus.STALE] * 2
        assert {one.case_id for one in pager.log if one.body["type"] == "notification.page"} == {
            pages[0].case_id
        }


def test_sinks_come_and_go_while_it_runs(make: Make) -> None:
    with Receiver() as first, Receiver() as second:
        office = make({"first": webhook(first.url, "case.*")})
        office.happen(opened(1))
        office.wait_delivered(1, "first")
        both = {"first": webhook(first.url, "case.*"), "second": webhook(second.url, "case.*")}
        office.write_sinks(both)
        number = iter(range(2, 1_000))

        def reaches(receiver: Receiver) -> bool:
            before = len(receiver.log)
            office.happen(opened(next(number)))
            wait_for(lambda: len(receiver.log) > before or None, "an event", 2.0)
            return True

        def second_is_there() -> bool:
            office.happen(opened(next(number)))
            return bool(second.log)

        wait_for(second_is_there, "the new sink is told", 30.0, 0.5)
        office.write_sinks({"second": both["second"]})

        def first_is_gone() -> bool:
            before = len(first.log)
            return reaches(second) and len(first.log) == before

        wait_for(first_is_gone, "the sink that was removed is told no more", 30.0, 0.5)
        office.write_sinks({"second": "kind = 'nonsense'"})
        refused = "sinks refused, the former ones stay"
        wait_for(lambda: refused in office.log_tail(), "the broken file is refused")
        assert reaches(second)


def test_what_was_parked_can_be_told_again(make: Make) -> None:
    with Receiver(400) as crm:
        office = make({"crm": webhook(crm.url, "case.*")})
        office.happen(opened(1))
        (parked,) = office.wait_delivered(1, "crm")
        assert parked.status is DeliveryStatus.PARKED
        (letter,) = office.dead_letters()
        assert (letter.stage, letter.reason) == ("notifier:crm", "undeliverable")
        assert "400" in letter.detail
        crm.answer = 204
        office.replay(letter)
        ended = office.wait_delivered(2, "crm")
        assert [one.status for one in ended] == [DeliveryStatus.PARKED, DeliveryStatus.DELIVERED]
        assert crm.ids() == [parked.notification_id] * 2


def test_a_sink_that_says_it_is_gone_is_left_alone_until_it_changes(make: Make) -> None:
    with Receiver(410) as gone:
        table = webhook(gone.url, "case.*")
        office = make({"gone": table})
        office.happen(opened(1))
        office.wait_delivered(1, "gone")
        office.happen(opened(2), opened(3))
        ended = office.wait_delivered(3, "gone")
        assert {one.status for one in ended} == {DeliveryStatus.PARKED}
        assert len(gone.log) == 1
        gone.answer = 204
        office.write_sinks({"gone": table + "\ntimeout_s = 5.0"})
        wait_for(lambda: "other sinks are in force" in office.log_tail(), "it is taken over")
        office.happen(opened(4))
        assert office.wait_delivered(4, "gone")[-1].notification_id in gone.ids()


def test_a_record_that_cannot_be_read_is_a_dead_letter_and_holds_up_nothing(make: Make) -> None:
    with Receiver() as crm:
        office = make({"crm": webhook(crm.url, "case.*")})
        key = ids.record_key("acme", "x")
        office.put_raw(b"{not json", key, sink=b"crm")
        office.happen(opened(1))
        office.wait_delivered(1, "crm")
        letters = wait_for(office.dead_letters, "a dead letter")
        assert [(one.stage, one.value) for one in letters] == [("notifier:crm", b"{not json")]
