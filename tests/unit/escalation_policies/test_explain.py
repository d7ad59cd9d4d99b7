"""What a policy says of a case: worked out by hand for the example, and equal to what is decided."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from services.escalation.policies.explain import Explained, explain
from services.escalation.policies.forms import instant_text
from services.escalation.policies.simulation import PAGES, People, Sample, Simulation, tally
from shared.events import CaseEventKind, FeedbackClassified, Kind, Reason, Severity
from tests.unit.escalation_policies.test_document import EXAMPLE, read

SATURDAY_EVENING = 1_796_499_000_000
"""2026-12-05T20:30:00+01:00: the calendars of the example are closed."""
MONEY = (Reason.FINANCIAL_LOSS,)


def told(
    severity: Severity, at: int = SATURDAY_EVENING, reasons: tuple[Reason, ...] = ()
) -> Explained:
    return explain(read(EXAMPLE), Sample(severity=severity, reasons=reasons), at)


def test_the_pack_that_fits_is_named_with_its_reason() -> None:
    found = told(Severity.HIGH, reasons=MONEY)
    assert (found.pack, found.team) == ("money", "billing")
    assert found.packs[0].why == "channels email/phone, reasons financial_loss/fraud_security"


def test_a_pack_that_does_not_fit_says_why() -> None:
    assert told(Severity.HIGH).pack is None
    assert told(Severity.HIGH).packs[0].why == "other reasons"
    assert told(Severity.LOW, reasons=MONEY).packs[0].why == "it has no low"


def test_deadlines_are_absolute_in_the_time_of_their_calendar() -> None:
    found = {one.clock: one for one in told(Severity.HIGH).clocks}
    assert found["first_response"].due == "2026-12-05T23:30:00Z"
    assert found["first_response"].due_local == "Sun 2026-12-06 00:30 Europe/Berlin"
    assert found["first_response"].calendar == ""
    # 12 hours of 08:00-20:00 from Sunday 08:00 on
    assert found["first_resolution"].due_local == "Sun 2026-12-06 20:00 Europe/Berlin"
    assert found["first_resolution"].calendar.startswith("daytime@")
    # 8 hours of 09:00-12:00 and 13:00-18:00 from Monday on
    assert found["update"].due_local == "Mon 2026-12-07 18:00 Europe/Berlin"


def test_the_ladder_tells_gates_who_is_on_duty_and_the_end() -> None:
    steps = told(Severity.HIGH).ladder
    assert [(one.at, one.round, one.step, one.notified) for one in steps] == [
        ("2026-12-05T19:30:00Z", 1, 1, ()),
        ("2026-12-06T07:00:00Z", 1, 1, ("bela",)),
        ("2026-12-06T08:00:00Z", 1, 2, ("team-lead",)),
        ("2026-12-06T09:00:00Z", 2, 1, ("bela",)),
        ("2026-12-06T10:00:00Z", 2, 2, ("team-lead",)),
        ("2026-12-06T11:00:00Z", 3, 1, ("bela",)),
        ("2026-12-06T12:00:00Z", 3, 2, ("team-lead",)),
        ("2026-12-06T13:00:00Z", 3, 2, ("bela", "team-lead")),
    ]
    assert steps[0].what == CaseEventKind.STEP_HELD
    assert steps[0].detail == "the gate daytime is closed"
    assert steps[-1].what == CaseEventKind.ESCALATION_EXHAUSTED


def test_an_override_is_on_duty_while_it_runs() -> None:
    christmas = SATURDAY_EVENING + 20 * DAY  # 25 December, 20:30
    assert told(Severity.CRITICAL, christmas).ladder[0].notified == ("chris",)


def test_a_mute_is_told() -> None:
    moving = SATURDAY_EVENING - 12 * HOUR
    found = told(Severity.MEDIUM, moving)
    assert found.muted == ("move to the new office until 2026-12-05T11:00:00Z: telephones are down")
    assert found.ladder[0].what == CaseEventKind.NOTIFICATION_SUPPRESSED
    assert found.ladder[1].at == "2026-12-05T11:00:00Z"
    assert told(Severity.HIGH, moving).muted is None


def test_follow_ups_count_from_the_resolution() -> None:
    promised = [(one.kind, one.after, one.via) for one in told(Severity.HIGH).follow_ups]
    assert promised == [("confirm", "48h", "call"), ("still_fixed", "168h", "message")]


def test_what_opens_no_case_says_so() -> None:
    found = explain(read(EXAMPLE), Sample(severity=Severity.LOW, kind=Kind.QUESTION), 0)
    assert found.no_case == "question"
    assert found.ladder == ()


def test_a_team_that_is_given_owns_the_case() -> None:
    assert explain(read(EXAMPLE), Sample(), SATURDAY_EVENING, "billing").team == "billing"


@pytest.mark.parametrize("severity", list(Severity))
def test_what_is_explained_is_what_is_decided(severity: Severity) -> None:
    policy, sample = read(EXAMPLE), Sample(severity=severity)
    found = explain(policy, sample, SATURDAY_EVENING)
    simulation = Simulation(policy)
    simulation.feed(sample.feedback(1, SATURDAY_EVENING), SATURDAY_EVENING)
    opened = simulation.events[-1].case
    assert opened is not None
    said = {one.clock: one.due for one in found.clocks}
    running = {clock.kind.value: instant_text(clock.due_at or 0) for clock in opened.clocks}
    assert running
    assert running.items() <= said.items()


# ---- simulation


def run(people: People, for_ms: int, severity: Severity = Severity.CRITICAL) -> Simulation:
    simulation = Simulation(read(EXAMPLE), people)
    simulation.feed(Sample(severity=severity).feedback(1, SATURDAY_EVENING), SATURDAY_EVENING)
    simulation.run_until(SATURDAY_EVENING + for_ms)
    return simulation


def pages(simulation: Simulation) -> list[tuple[int, tuple[str, ...]]]:
    return [
        ((event.recorded_at - SATURDAY_EVENING) // MINUTE, event.targets)
        for event in simulation.events
        if event.kind in PAGES
    ]


def test_an_acknowledgement_ends_the_pages() -> None:
    simulation = run(People(acknowledge_after=15 * MINUTE), 44 * MINUTE)
    assert pages(simulation) == [(0, ("bela",)), (10, ("bela", "team-lead"))]
    taken = [one for one in simulation.events if one.kind is CaseEventKind.ACKNOWLEDGED]
    assert [one.recorded_at for one in taken] == [SATURDAY_EVENING + 15 * MINUTE]


def test_each_escalation_is_acknowledged_again() -> None:
    simulation = run(People(acknowledge_after=5 * MINUTE), 45 * MINUTE)
    taken = [
        (event.recorded_at - SATURDAY_EVENING) // MINUTE
        for event in simulation.events
        if event.kind is CaseEventKind.ACKNOWLEDGED
    ]
    assert taken == [5, 40], "it ran out after 30 minutes"


def test_a_resolution_schedules_follow_ups() -> None:
    simulation = run(People(resolve_after=2 * HOUR), 3 * HOUR, Severity.HIGH)
    kinds = [event.kind for event in simulation.events]
    assert kinds.count(CaseEventKind.RESOLVED) == 1
    assert kinds.count(CaseEventKind.FOLLOW_UP_SCHEDULED) == 2


def feedback(count: int) -> Iterable[FeedbackClassified]:
    severities = list(Severity)
    for number in range(count):
        sample = Sample(severity=severities[number % len(severities)])
        yield sample.feedback(number, SATURDAY_EVENING + number * MINUTE)


def test_recorded_feedback_is_counted_under_each_policy() -> None:
    until = SATURDAY_EVENING + DAY
    policy = read(EXAMPLE)
    mine = tally(policy, feedback(50), until, People())
    assert mine["feedback", ""] == 50
    assert sum(mine["cases opened", one] for one in Severity) == 50
    assert mine["escalations", "critical"] == mine["exhausted", "critical"] == 10
    assert mine["breaches", "critical receipt"] == 10
    other = tally(read(EXAMPLE + "\nmax_epochs: 3\n"), feedback(50), until, People())
    assert other == mine, "nothing that counts here is different"
    calm = EXAMPLE.replace("{to: on-call, wait: 10m}", "{to: on-call, wait: 150h}")
    assert calm != EXAMPLE
    fewer = tally(read(calm), feedback(50), until, People())
    assert fewer["exhausted", "critical"] == 0
    assert fewer["pages", "head-of-support"] < mine["pages", "head-of-support"]


def test_the_order_of_the_recording_is_that_of_its_times() -> None:
    items = list(feedback(20))
    until = SATURDAY_EVENING + DAY
    policy = read(EXAMPLE)
    assert tally(policy, items, until, People()) == tally(policy, items[::-1], until, People())


def test_a_simulation_is_the_same_each_time() -> None:
    one, other = (run(People(15 * MINUTE, 2 * HOUR), 3 * DAY) for _ in range(2))
    assert one.events == other.events
