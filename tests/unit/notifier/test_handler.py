"""Hop 1: events in, notifications and tasks out, each to the partition and under the key it came by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from confluent_kafka import Message
from prometheus_client import CollectorRegistry

from services.notifier.domain.plan import plan
from services.notifier.handler import NotifierHandler
from services.notifier.routing import FixedRoutes
from shared import codec
from shared.clock import ManualClock
from shared.config import Config
from shared.events import (
    CaseEvent,
    CaseEventKind,
    Channel,
    ClockKind,
    DeadLetter,
    Insight,
    Notification,
    ReplyDue,
    Severity,
    Struct,
)
from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Output, Partition, Work
from shared.topics import Names
from shared.worker import Context
from tests.unit.notifier.plan_world import T0, TENANT, case, event, routes, running, sink

PAGE = event(CaseEventKind.ESCALATION_TRIGGERED, ["anna", "bob"], epoch=1, step=1)
OPENED = event(
    CaseEventKind.OPENED,
    of=case(clocks=(running(ClockKind.RECEIPT),), channel=Channel.OTHER, assignee="anna"),
)
KEY = b"acme:c0ffee"
SINKS = {"mail": sink("smtp"), "crm": sink("webhook", "escalation.*", "insight.*")}
ADDRESSES = {"anna": {"email": "a@example.com"}, "bob": {"email": "b@example.com"}}


class Rig:
    """A handler with its metrics and its routes, which may change."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        context = Context(Config(), ManualClock(T0), Metrics(self.registry), Names("blue."))
        self.routes: FixedRoutes = routes(
            SINKS, {"anna": ("mail",), "bob": ("mail",)}, people=ADDRESSES
        )
        self.looks = 0
        self.coming: FixedRoutes | None = None
        self.handler = NotifierHandler(context, lambda: self.routes, self._look)

    def _look(self) -> None:
        """Find the policy that has come into force, if one has."""
        self.looks += 1
        self.routes, self.coming = self.coming or self.routes, None

    def process(self, *values: Struct | bytes, topic: str = "blue.escalations") -> Work:
        messages = [record(topic, at, value) for at, value in enumerate(values)]
        source = Partition(topic, 3)
        return self.handler.process([Chunk(source, 1, 0, len(values), 0, messages)], lambda: False)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def record(topic: str, offset: int, value: Struct | bytes) -> Message:
    return Message(
        topic=topic,
        partition=3,
        offset=offset,
        key=KEY,
        value=value if isinstance(value, bytes) else codec.encode(value),
        headers=[("ce_id", b"f"), ("ce_type", b"tocsin.case.event.v9"), ("traceparent", b"00-t")],
    )


def written(work: Work, topic: str) -> list[Output]:
    return [one for one in work.outputs if one.topic == f"blue.{topic}"]


def notifications(work: Work) -> list[Notification]:
    return [
        msgspec.json.decode(one.value or b"", type=Notification)
        for one in written(work, "notifications")
    ]


def dead(work: Work) -> list[DeadLetter]:
    found = written(work, "dead-letters")
    return [msgspec.json.decode(one.value or b"", type=DeadLetter) for one in found]


def test_what_is_planned_is_written_whole_in_order() -> None:
    rig = Rig()
    work = rig.process(PAGE)
    assert notifications(work) == list(plan(PAGE, rig.routes, T0).notifications)
    assert [one.sink for one in notifications(work)] == ["mail", "mail", "crm"]
    for output, one in zip(work.outputs, notifications(work), strict=True):
        assert (output.partition, output.key) == (3, KEY)
        headers = dict(output.headers)
        assert headers["sink"] == one.sink.encode()
        assert headers["ce_id"] == one.notification_id.encode()
        assert headers["ce_type"] == b"tocsin.notification.v1"
        assert headers["ce_source"] == b"tocsin/notifier"
        assert headers["traceparent"] == b"00-t"


def test_a_notification_is_what_its_own_encoding_says() -> None:
    """The cause goes in as it came, and reads the same."""
    (first, *_) = Rig().process(PAGE).outputs
    assert first.value == codec.encode(msgspec.json.decode(first.value or b"", type=Notification))


def test_what_a_newer_release_adds_to_an_event_is_passed_on() -> None:
    more = codec.encode(PAGE)[:-1] + b',"mood":"bad"}'
    (first, *_) = Rig().process(more).outputs
    assert b'"mood":"bad"' in (first.value or b"")
    assert notifications(Rig().process(more)) == notifications(Rig().process(PAGE))


def test_a_task_goes_to_the_follow_ups_and_is_told_when_it_comes_back() -> None:
    rig = Rig()
    (output,) = rig.process(OPENED).outputs
    assert (output.topic, output.partition, output.key) == ("blue.followups", 3, KEY)
    due = msgspec.json.decode(output.value or b"", type=ReplyDue)
    assert dict(output.headers)["ce_id"] == due.reply_id.encode()
    assert rig.metric("tocsin_replies_due_total", why="no_writer") == 0
    back = rig.process(output.value or b"", topic="blue.followups")
    assert [(one.sink, one.target, one.cause) for one in notifications(back)] == [
        ("mail", "anna", due)
    ]
    assert rig.metric("tocsin_replies_due_total", why="no_writer") == 1


def test_insights_are_told() -> None:
    insight = Insight(
        insight_id="i", tenant=TENANT, kind="pattern.confirmed", at=T0, title="t",
        severity=Severity.HIGH, targets=("bob",),
    )  # fmt: skip
    work = Rig().process(insight, topic="blue.insights")
    assert [(one.sink, one.target) for one in notifications(work)] == [("mail", "bob"), ("crm", "")]


def test_the_routes_are_those_of_now() -> None:
    rig = Rig()
    rig.routes = routes({"chat": sink("slack")}, {"anna": ("chat",)})
    assert [one.sink for one in notifications(rig.process(PAGE))] == ["chat"]


def test_poison_is_set_aside_and_costs_its_neighbours_nothing() -> None:
    broken = codec.encode(PAGE).replace(b'"escalation.triggered"', b"7")
    work = Rig().process(PAGE, b"{", broken, b"", PAGE)
    assert [(one.reason, one.offset) for one in dead(work)] == [
        ("bad_json", 1),
        ("bad_schema", 2),
        ("empty", 3),
    ]
    assert len(notifications(work)) == 6
    assert work.dead_letters == {Partition("blue.escalations", 3): 3}


def test_what_grows_too_large_is_a_dead_letter_as_a_whole() -> None:
    room = codec.MAX_RECORD_BYTES - len(codec.encode(with_note(PAGE, "")))
    work = Rig().process(with_note(PAGE, "x" * (room - 10)), PAGE)
    assert [one.reason for one in dead(work)] == ["too_large"]
    assert len(notifications(work)) == 3


def with_note(of: CaseEvent, note: str) -> CaseEvent:
    return msgspec.structs.replace(of, note=note)


def test_events_of_a_newer_release_are_passed_over_and_counted() -> None:
    rig = Rig()
    newer = codec.encode(PAGE).replace(b"case.event.v1", b"case.event.v2")
    other = codec.encode(PAGE).replace(b"case.event.v1", b"mood.changed.v1")
    work = rig.process(newer, other, PAGE)
    assert dead(work) == []
    assert len(notifications(work)) == 3
    assert rig.metric("tocsin_stage_errors_total", stage="notifier", reason="newer") == 2


def test_who_cannot_be_told_is_counted() -> None:
    rig = Rig()
    rig.process(event(CaseEventKind.CLOCK_BREACHED, ["ghost", "phantom"]))
    assert rig.metric("tocsin_stage_errors_total", stage="notifier", reason="unreached") == 2


def test_the_same_events_always_leave_the_same() -> None:
    values: Sequence[Struct | bytes] = [PAGE, b"{", OPENED]
    assert Rig().process(*values).outputs == Rig().process(*values).outputs


def test_it_needs_no_state_and_no_ticks() -> None:
    handler = Rig().handler
    handler.assigned(Assignment(1, {}, None), lambda: False)
    assert (handler.tick_s, handler.tracked) == (None, frozenset())
    assert list(handler.inputs) == ["blue.escalations", "blue.followups", "blue.insights"]
    assert handler.process([], lambda: False) == Work([], {})


def test_what_its_inputs_carry_is_known() -> None:
    """A type that a topic carries and the handler does not know would be passed over in silence."""
    from shared import topics

    read = (topics.ESCALATIONS, topics.FOLLOWUPS, topics.INSIGHTS)
    counts: Mapping[type, str] = {kind: one.name for one in read for kind in one.carries}
    assert set(counts) == {CaseEvent, ReplyDue, Insight}
    assert {one.partitions for one in (*read, topics.NOTIFICATIONS)} == {None}


def test_who_comes_with_a_new_policy_is_told_at_once() -> None:
    rig = Rig()
    rig.process(PAGE)
    rig.coming = routes(SINKS, {"carol": ("mail",)}, people={"carol": {"email": "c@example.com"}})
    later = msgspec.structs.replace(PAGE, targets=("carol",), policy="v2", event_id="e2")
    work = rig.process(later, PAGE, later)
    told = [one for one in work.outputs if dict(one.headers).get("sink") == b"mail"]
    assert [b'"carol"' in (one.value or b"") for one in told] == [True, True]
    assert rig.looks == 2  # once for each policy
