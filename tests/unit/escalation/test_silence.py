"""When notifications wait: gates, mutes, mutes that come again every week."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from services.escalation.domain.calendar import Calendar, Holiday, Window, WorkingTime
from services.escalation.domain.silence import (
    Gate,
    Mute,
    MuteWeek,
    Recurring,
    bypasses,
    muted,
    problems,
    resume_at,
)
from shared.events import Channel, Reason, Severity

BERLIN = "Europe/Berlin"
MUTE = Mute(name="upgrade", start=1_000, end=2_000, reason="the shop is being upgraded")
HARD = (Reason.SAFETY, Reason.VULNERABLE, Reason.FRAUD_SECURITY, Reason.LEGAL)


def ms(text: str) -> int:
    """Return an ISO 8601 time with its offset as milliseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def windows(*texts: str) -> tuple[Window, ...]:
    """Return the windows of a day."""
    return tuple(map(Window.parse, texts))


NIGHTS = MuteWeek(
    name="nights",
    zone=BERLIN,
    week=(*(windows("00:00-06:00", "22:00-24:00"),) * 5, (), ()),
    reason="nobody is at work",
    severities=("low", "medium"),
)


def held(
    *mutes: Mute | Recurring,
    at: int = 1_500,
    tenant: str = "acme",
    channel: Channel = Channel.EMAIL,
    source: str = "inbox",
    severity: Severity = Severity.MEDIUM,
    reasons: tuple[Reason, ...] = (Reason.DELAY,),
    product: str = "",
) -> Mute | None:
    """Ask about one notification."""
    return muted(
        mutes,
        at=at,
        tenant=tenant,
        channel=channel,
        source=source,
        severity=severity,
        reasons=reasons,
        product=product,
    )


# ------------------------------------------------------------------------- gates

OFFICE = Calendar(name="office", zone=BERLIN, week=(*(windows("09:00-17:00"),) * 5, (), ()))


@pytest.mark.parametrize(
    ("at", "resumes"),
    [
        ("2026-03-27T08:00:00Z", "2026-03-27T08:00:00Z"),  # Friday 09:00: open
        ("2026-03-27T15:59:59.999Z", "2026-03-27T15:59:59.999Z"),
        ("2026-03-27T16:00:00Z", "2026-03-30T07:00:00Z"),  # over the change to summer time
        ("2026-10-23T15:00:00Z", "2026-10-26T08:00:00Z"),  # and back
        ("2026-01-06T02:00:00Z", "2026-01-06T08:00:00Z"),
    ],
)
def test_a_step_waits_until_its_gate_opens(at: str, resumes: str) -> None:
    calendars = {"office": WorkingTime(OFFICE)}
    assert resume_at(Gate("office"), ms(at), calendars) == ms(resumes)


def test_a_gate_that_stays_closed_says_so() -> None:
    """60 free Mondays in a calendar of Mondays: further than the search looks."""
    monday = datetime.fromisoformat("2026-01-05T00:00Z")
    free = tuple(
        Holiday(date=f"{monday + timedelta(weeks=number):%Y-%m-%d}") for number in range(60)
    )
    week = (windows("09:00-17:00"), *((),) * 6)
    closed = WorkingTime(Calendar(name="mondays", zone=BERLIN, week=week, holidays=free))
    assert resume_at(Gate("mondays"), ms("2026-01-01T00:00Z"), {"mondays": closed}) is None
    with pytest.raises(KeyError, match="office"):
        resume_at(Gate("office"), 0, {"mondays": closed})


# ------------------------------------------------------------------------- mutes


@pytest.mark.parametrize(
    ("at", "holds"), [(999, False), (1_000, True), (1_999, True), (2_000, False)]
)
def test_a_mute_holds_from_its_start_until_before_its_end(at: int, holds: bool) -> None:
    assert held(MUTE, at=at) == (MUTE if holds else None)


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        ({}, True),
        ({"tenants": ("acme", "other")}, True),
        ({"tenants": ("other",)}, False),
        ({"channels": ("email",)}, True),
        ({"channels": ("phone", "social")}, False),
        ({"sources": ("inbox",)}, True),
        ({"sources": ("shop",)}, False),
        ({"severities": ("low", "medium")}, True),
        ({"severities": ("low",)}, False),
        ({"products": ("app",)}, True),
        ({"products": ("web",)}, False),
        ({"tenants": ("",), "channels": ("",), "sources": ("",), "products": ("",)}, True),
        ({"tenants": ("",), "sources": ("shop",)}, False),
        ({"tenants": ("acme",), "channels": ("email",), "severities": ("low",)}, False),
    ],
)
def test_a_mute_holds_what_matches_in_every_field(
    scope: dict[str, tuple[str, ...]], holds: bool
) -> None:
    mute = msgspec.structs.replace(MUTE, **scope)
    assert held(mute, product="app") == (mute if holds else None)


def test_an_unknown_product_is_held_by_a_mute_of_all_products_only() -> None:
    assert held(msgspec.structs.replace(MUTE, products=("app",))) is None
    assert held(MUTE) is MUTE


def test_of_several_mutes_the_one_that_ends_last_holds() -> None:
    longer = msgspec.structs.replace(MUTE, name="longer", end=3_000)
    foreign = msgspec.structs.replace(MUTE, name="foreign", end=4_000, tenants=("other",))
    later = msgspec.structs.replace(MUTE, name="later", start=1_600, end=5_000)
    assert held(MUTE, longer, foreign, later) is longer
    assert held(later, foreign, longer, MUTE) is longer
    assert held(MUTE, longer, foreign, later, at=1_600) is later
    assert held() is None


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("severity", Severity)
def test_only_a_critical_case_with_a_hard_trigger_is_never_held(
    severity: Severity, reason: Reason
) -> None:
    free = severity is Severity.CRITICAL and reason in HARD
    assert bypasses(severity, [Reason.DELAY, reason]) is free
    assert held(MUTE, severity=severity, reasons=(Reason.DELAY, reason)) == (None if free else MUTE)


def test_without_a_reason_nothing_bypasses() -> None:
    assert not bypasses(Severity.CRITICAL, [])


# ------------------------------------------------------------------------- every week


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-01-05T20:59:59.999Z", None),  # Monday, before 22:00
        ("2026-01-05T21:00:00Z", "2026-01-06T05:00:00Z"),  # over midnight it is one
        ("2026-01-06T04:59:59.999Z", "2026-01-06T05:00:00Z"),
        ("2026-01-06T05:00:00Z", None),
        ("2026-01-09T22:00:00Z", "2026-01-09T23:00:00Z"),  # Friday: no window on Saturday
        ("2026-01-10T12:00:00Z", None),
        ("2026-01-04T23:00:00Z", "2026-01-05T05:00:00Z"),  # Monday 00:00
        ("2026-07-06T19:59:59.999Z", None),
        ("2026-07-06T20:00:00Z", "2026-07-07T04:00:00Z"),  # summer time
    ],
)
def test_a_weekly_mute_holds_until_the_end_of_its_window(at: str, end: str | None) -> None:
    mute = held(Recurring(NIGHTS), at=ms(at))
    assert (mute and mute.end) == (None if end is None else ms(end))
    if mute is not None:
        assert (mute.name, mute.reason, mute.start) == ("nights", NIGHTS.reason, ms(at))
        assert held(mute, at=mute.end - 1) is mute


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2026-03-29", "00:00Z", "02:00Z"),  # 01:00-04:00 without the hour that is skipped
        ("2026-10-25", "23:00Z", "03:00Z"),  # with the hour that comes twice
    ],
)
def test_a_weekly_mute_follows_the_clock_changes(day: str, start: str, end: str) -> None:
    sundays = MuteWeek(
        name="backup", zone=BERLIN, week=(*((),) * 6, windows("01:00-04:00")), reason="backup"
    )
    begin = ms(f"{day}T{start}") - (24 * 3_600_000 if start.startswith("23") else 0)
    assert held(Recurring(sundays), at=begin - 1) is None
    mute = held(Recurring(sundays), at=begin)
    assert mute is not None
    assert mute.end == ms(f"{day}T{end}")


def test_a_weekly_mute_holds_what_its_scope_says() -> None:
    at = ms("2026-01-05T22:00Z")
    assert held(Recurring(NIGHTS), at=at, severity=Severity.HIGH) is None
    abroad = msgspec.structs.replace(NIGHTS, tenants=("other",))
    assert held(Recurring(abroad), at=at) is None
    found = held(Recurring(abroad), at=at, tenant="other")
    assert found is not None
    assert (found.tenants, found.severities) == (("other",), ("low", "medium"))


def test_a_weekly_mute_and_one_of_a_span_are_weighed_together() -> None:
    at = ms("2026-01-05T22:00Z")
    upgrade = msgspec.structs.replace(MUTE, start=at, end=ms("2026-01-06T04:00Z"))
    assert held(upgrade, Recurring(NIGHTS), at=at) != upgrade
    longer = msgspec.structs.replace(upgrade, end=ms("2026-01-06T06:00Z"))
    assert held(longer, Recurring(NIGHTS), at=at) is longer


# ------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"end": 1_000}, "end: 1000 is not after the start 1000"),
        ({"reason": ""}, "reason: empty; say why nobody is notified"),
        (
            {"channels": ("email", "fax")},
            "channels: 'fax' is none of email, phone, social, reviews, other",
        ),
        (
            {"severities": ("", "s1")},
            "severities: 's1' is none of critical, high, medium, low, undetermined",
        ),
    ],
)
def test_a_fault_of_a_mute_is_named(fields: dict[str, object], message: str) -> None:
    assert problems(MUTE) == []
    assert problems(msgspec.structs.replace(MUTE, **fields)) == [message]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zone": "Berlin"}, "zone: 'Berlin' is not an IANA time zone"),
        ({"week": ()}, "week: no window at all; give at least one"),
        ({"week": ((),) * 7}, "week: no window at all; give at least one"),
        ({"week": NIGHTS.week[:2]}, "week: 2 days instead of 7, Monday first"),
        (
            {"week": (windows("00:00-12:00", "12:00-24:00"),) * 7},
            "week: mutes all the time, nobody would ever be notified",
        ),
        ({"severities": ("grave",)}, "severities: 'grave' is none of "),
    ],
)
def test_a_fault_of_a_weekly_mute_is_named(fields: dict[str, object], message: str) -> None:
    assert problems(NIGHTS) == []
    faulty = msgspec.structs.replace(NIGHTS, **fields)
    (found,) = problems(faulty)
    assert found.startswith(message)
    with pytest.raises(ValueError, match=f"^mute nights: {found}$"):
        Recurring(faulty)
