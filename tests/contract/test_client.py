"""What every stream of the client keeps to: in memory and on Kafka, with and without asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from shared import codec
from shared.client import Latest, OnError, Park, Parked, Retry, Then, What
from shared.client.delivery import Received
from shared.events import CaseEvent, CaseEventKind
from tests.contract.client_beds import (
    AsyncKafkaBed,
    AsyncMemoryBed,
    Bed,
    KafkaBed,
    MemoryBed,
    customers,
    escalation,
)

BEDS = {"kafka": KafkaBed, "kafka-async": AsyncKafkaBed}
Got = Received[CaseEvent]
NO_UTF8 = b'{"type":"case.event.v1","event_id":"\xff"}'
TOO_DEEP = b'{"type":"case.event.v1","x":' + b"[" * 100_000


@pytest.fixture(
    params=[
        "memory",
        "memory-async",
        pytest.param("kafka", marks=pytest.mark.integration),
        pytest.param("kafka-async", marks=pytest.mark.integration),
    ]
)
def bed(request: pytest.FixtureRequest) -> Bed:
    if request.param in BEDS:
        return BEDS[request.param](request.getfixturevalue("installation"))
    return MemoryBed() if request.param == "memory" else AsyncMemoryBed()


class Body:
    """Keeps what it is given; raises what it is told to, as long as that lasts."""

    def __init__(self, faults: Mapping[str, Sequence[BaseException]] | None = None) -> None:
        self.got: list[tuple[str, int, int]] = []
        self.deliveries: list[Got] = []
        self.faults = {name: list(waiting) for name, waiting in (faults or {}).items()}

    def __call__(self, delivery: Got) -> None:
        event = delivery.event
        customer = event.case_id.split(":")[1]
        self.got.append((customer, event.case_seq, delivery.attempt))
        self.deliveries.append(delivery)
        if waiting := self.faults.get(customer):
            raise waiting.pop(0)

    @property
    def numbers(self) -> list[tuple[str, int]]:
        """Customer and number of each body."""
        return [(customer, seq) for customer, seq, _ in self.got]


def test_each_event_comes_once_in_the_order_of_its_case_and_not_again(bed: Bed) -> None:
    names = customers(3)
    written = [(name, seq) for seq in (1, 2, 3) for name in names]
    for name, seq in written:
        bed.publish(escalation(name, seq))
    body = Body()
    counts = bed.consume(body)
    assert sorted(body.numbers) == sorted(written)
    for name in names:
        assert [seq for customer, seq in body.numbers if customer == name] == [1, 2, 3]
    assert counts[What.ACKNOWLEDGED] == counts[What.HANDED] == 9
    again = Body()
    bed.consume(again)
    assert again.got == []


def test_a_delivery_has_its_headers_and_its_bytes(bed: Bed) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = escalation("c0")
    bed.publish(event, (("traceparent", trace.encode()),))
    body = Body()
    bed.consume(body)
    (delivery,) = body.deliveries
    assert delivery.event == event
    assert delivery.raw == codec.encode(event)
    assert (delivery.id, delivery.traceparent) == (event.event_id, trace)
    assert delivery.headers["ce_type"] == "tocsin.case.event.v1"
    assert delivery.headers["ce_source"] == "tocsin/test"
    assert delivery.at_ms > 0


def test_a_body_that_fails_is_tried_again_while_other_partitions_go_on(bed: Bed) -> None:
    late, other = customers(2)
    for seq in (1, 2):
        bed.publish(escalation(late, seq))
    bed.publish(escalation(other))
    body = Body({late: [ValueError("the CRM is away")]})
    counts = bed.consume(body, on_error=OnError(retries=1, first_s=0.7))
    assert [entry for entry in body.got if entry[0] == late] == [
        (late, 1, 1),
        (late, 1, 2),
        (late, 2, 1),
    ]
    assert body.got.index((late, 1, 1)) < body.got.index((late, 1, 2))
    assert body.got.index((other, 1, 1)) < body.got.index((late, 1, 2))
    assert (counts[What.RETRIED], counts[What.PARKED], counts[What.ACKNOWLEDGED]) == (1, 0, 3)


def test_what_fails_for_good_is_parked_and_its_neighbours_are_not(bed: Bed) -> None:
    bad, good = customers(2, partition=0)
    event = escalation(bad)
    bed.publish(event, (("traceparent", b"t"),))
    bed.publish(escalation(good))
    body = Body({bad: [ValueError("no such field")] * 3})
    counts = bed.consume(body)
    assert body.got == [(bad, 1, 1), (bad, 1, 2), (bad, 1, 3), (good, 1, 1)]
    (parked,) = bed.parked()
    assert parked.value == codec.encode(event)
    assert parked.header("ce_id") == event.event_id
    assert parked.header("traceparent") == "t"
    assert parked.header("parked_reason") == "failed"
    assert parked.header("parked_detail") == "ValueError: no such field"
    assert parked.header("parked_attempts") == "3"
    assert (parked.header("parked_from") or "").endswith("escalations/0/0")
    assert (counts[What.PARKED], counts[What.ACKNOWLEDGED]) == (1, 1)
    again = Body()
    bed.consume(again)
    assert again.got == []


def test_a_body_says_when_it_wants_to_be_tried_again_or_not_at_all(bed: Bed) -> None:
    often, never = customers(2)
    bed.publish(escalation(often))
    bed.publish(escalation(never))
    patience = [Retry(0.05) for _ in range(4)]  # more than the policy allows
    body = Body({often: patience, never: [Park("of no use to us")]})
    counts = bed.consume(body)
    assert (often, 1, 5) in body.got
    assert (counts[What.RETRIED], counts[What.PARKED], counts[What.ACKNOWLEDGED]) == (4, 1, 1)
    (parked,) = bed.parked()
    assert parked.header("parked_detail") == "of no use to us"


def test_the_error_is_the_programs_when_the_policy_says_stop(bed: Bed) -> None:
    first, second = customers(2, partition=1)
    bed.publish(escalation(first))
    bed.publish(escalation(second))
    body = Body({first: [ValueError("one"), ValueError("two")]})
    policy = OnError(retries=1, first_s=0.01, then=Then.STOP)
    with pytest.raises(ValueError, match="two"):
        bed.consume(body, on_error=policy)
    again = Body()
    bed.consume(again)
    assert again.got == [(first, 1, 1), (second, 1, 1)]


def test_an_interrupted_body_is_not_acknowledged(bed: Bed) -> None:
    bed.publish(escalation("c0"))
    with pytest.raises(SystemExit):
        bed.consume(Body({"c0": [SystemExit(3)]}))
    again = Body()
    bed.consume(again)
    assert again.got == [("c0", 1, 1)]


def test_a_stopped_stream_ends_after_the_present_body(bed: Bed) -> None:
    (name,) = customers(1, partition=2)
    for seq in range(1, 6):
        bed.publish(escalation(name, seq))
    body = Body()
    bed.consume(body, count=2, idle_s=None)
    assert body.numbers == [(name, 1), (name, 2)]
    rest = Body()
    bed.consume(rest)
    assert rest.numbers == [(name, 3), (name, 4), (name, 5)]


def test_poison_is_parked_untouched_and_its_neighbours_are_processed(bed: Bed) -> None:
    (name,) = customers(1, partition=3)
    poison = [NO_UTF8, b"{", b'{"type":"case.event.v1"}', TOO_DEEP, b""]
    bed.publish(escalation(name, 1))
    for raw in poison:
        bed.publish_raw(raw, name)
    bed.publish(escalation(name, 2))
    body = Body()
    counts = bed.consume(body)
    assert body.numbers == [(name, 1), (name, 2)]
    assert [record.value or b"" for record in bed.parked()] == poison
    reasons = [record.header("parked_reason") for record in bed.parked()]
    assert reasons == ["bad_utf8", "bad_json", "bad_schema", "too_deep", "empty"]
    assert counts[What.PARKED] == 5


def test_a_callable_takes_what_is_set_aside_and_is_asked_again_when_it_fails(bed: Bed) -> None:
    taken: list[Parked] = []
    faults = [OSError("full")]

    def take(parked: Parked) -> None:
        if faults:
            raise faults.pop()
        taken.append(parked)

    bed.publish_raw(b"{", "c0")
    bed.publish(escalation("c0"))
    body = Body()
    bed.consume(body, park=take)
    assert body.numbers == [("c0", 1)]
    assert [(parked.record.value, parked.reason) for parked in taken] == [(b"{", "bad_json")]


def future(event: CaseEvent, **changes: object) -> bytes:
    """Return the JSON of an event as a later product might write it; ``case__x`` is of the case."""
    raw = msgspec.json.decode(codec.encode(event))
    for name, value in changes.items():
        place = raw["case"] if name.startswith("case__") else raw
        place[name.removeprefix("case__")] = value
    return msgspec.json.encode(raw)


def test_what_a_later_product_writes_is_read_as_far_as_it_is_understood(bed: Bed) -> None:
    event = escalation("c0", 9)
    for raw in (
        future(event, type="case.event.v2"),
        future(event, type="case.teleported.v1"),
        future(event, kind="case.teleported"),
        future(event, case__severity="apocalyptic"),
    ):
        bed.publish_raw(raw, "c0")
    bed.publish_raw(
        future(
            escalation("c0", 10),
            colour="blue",
            case__reasons=["legal", "recall", "outage"],
            case__offer={"options": ["refund", "voucher"], "chosen": "voucher"},
            case__mood={"level": 3},
        ),
        "c0",
    )
    body = Body()
    counts = bed.consume(body)
    assert body.numbers == [("c0", 10)]
    (delivery,) = body.deliveries
    assert delivery.event.case is not None
    assert delivery.event.case.reasons == ("legal", "outage")
    assert delivery.event.case.offer is not None
    assert delivery.event.case.offer.options == ("refund",)
    assert delivery.event.case.offer.chosen is None
    assert len(delivery.left_out) == 3
    assert "recall" in delivery.left_out[0]
    assert (counts[What.SKIPPED], counts[What.TRIMMED], counts[What.PARKED]) == (4, 1, 0)


def test_what_was_read_can_be_read_again_from_a_time_on(bed: Bed) -> None:
    for seq in (1, 2, 3):
        bed.publish(escalation("c0", seq))
    body = Body()
    bed.consume(body)
    middle = body.deliveries[1].at_ms
    since = datetime.fromtimestamp(middle / 1000, UTC)
    wanted = [("c0", d.event.case_seq) for d in body.deliveries if d.at_ms >= middle]
    again = Body()
    bed.consume(again, since=since)
    assert again.numbers == wanted
    after = Body()
    bed.consume(after, since=datetime.fromtimestamp(middle / 1000 + 86_400, UTC))
    assert after.numbers == []


def test_latest_passes_over_what_is_not_above_the_last_of_its_case(bed: Bed) -> None:
    first, other = customers(2, partition=0)
    for name, seq in ((first, 1), (first, 3), (first, 3), (first, 2), (other, 1), (first, 4)):
        bed.publish(escalation(name, seq))
    bed.publish(escalation(first, 0, CaseEventKind.COMMAND_REFUSED, case=None))
    body = Body({first: [ValueError("not yet")]})  # what failed is not remembered
    counts = bed.consume(body, dedupe=Latest())
    wanted = [(first, 1), (first, 1), (first, 3), (other, 1), (first, 4), (first, 0)]
    assert body.numbers == wanted
    assert counts[What.DUPLICATE] == 2


def test_everything_that_happens_is_told(bed: Bed) -> None:
    told: list[tuple[What, int]] = []
    bed.publish(escalation("c0"))
    bed.publish_raw(b"{", "c0")
    counts = bed.consume(
        Body({"c0": [ValueError("once")]}), metrics=lambda m: told.append((m.what, m.offset))
    )
    handed = [(What.HANDED, 0), (What.RETRIED, 0), (What.HANDED, 0), (What.ACKNOWLEDGED, 0)]
    assert told == [*handed, (What.PARKED, 1)]
    assert sum(counts.values()) == len(told)


def test_the_group_is_as_far_as_what_is_done_when_commits_are_gathered(bed: Bed) -> None:
    names = customers(3)
    for seq in range(1, 20):
        for name in names:
            bed.publish(escalation(name, seq))
    body = Body()
    bed.consume(body, commit_every_s=3600.0)
    assert len(body.got) == 57
    again = Body()
    bed.consume(again)
    assert again.got == []
