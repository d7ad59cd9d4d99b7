"""Unknown names, people nobody can reach, calendars that are never open: each with its place."""

from __future__ import annotations

import pytest

from tests.unit.escalation_policies.told import LADDER, told, warned


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            LADDER % "{to: [on-call, team-led], wait: 1h}",
            (
                "1:70: severities.high.ladder[1].to[1]: 'team-led' is neither a contact, a team nor a "
                "rota; did you mean 'team-lead'?"
            ),
        ),
        (
            "severities: {low: {exhausted: [nobody]}}",
            (
                "1:32: severities.low.exhausted[0]: 'nobody' is neither a contact, a team nor a rota; "
                "one of head-of-support, on-call, support, team-lead, triage"
            ),
        ),
        (
            "packs: [{name: a, match: {}, severities: {low: {exhausted: [nobody]}}}]",
            (
                "1:61: packs[0].severities.low.exhausted[0]: 'nobody' is neither a contact, a team nor "
                "a rota; one of head-of-support, on-call, support, team-lead, triage"
            ),
        ),
        ("fallback: []", "1:11: fallback: nobody would be told: name at least one"),
        (
            "overdue_targets: [lead]",
            (
                "1:19: overdue_targets[0]: 'lead' is neither a contact, a team nor a rota; "
                "did you mean 'team-lead'?"
            ),
        ),
        (
            "contacts:\n  team-lead: []\n",
            "2:14: contacts.team-lead: cannot be reached: name at least one sink in `via`",
        ),
        (
            "teams:\n  a: {members: [on-call]}\n",
            "2:6: teams.a: nobody of it can be reached: give it a `rota` or a `via`",
        ),
        ("teams: {a: {rota: on-call}}", "1:19: teams.a.rota: 'on-call' is no rota"),
        ("team: sales", "1:7: team: 'sales' is no team"),
        (
            "rotas:\n  r: {rotations: []}\n",
            "2:18: rotas.r.rotations: none, and no fallback: nobody is ever on duty",
        ),
        (
            (
                "rotas:\n  r:\n    rotations:\n      - {name: a, members: [], zone: UTC, "
                "starts: 2026-01-05T09:00, unit: week}\n"
            ),
            "4:28: rotas.r.rotations[0].members: none; name at least one person",
        ),
        (
            (
                "rotas:\n  r:\n    rotations:\n      - {name: a, members: [on-cal], zone: Mars, "
                "starts: 2026-01-05, unit: week}\n"
            ),
            (
                "4:29: rotas.r.rotations[0].members[0]: 'on-cal' is no contact, so nobody could reach "
                "them; did you mean 'on-call'?"
            ),
        ),
        (
            (
                "rotas:\n  r:\n    rotations:\n      - {name: a, members: [on-call], zone: Mars, "
                "starts: 2026-01-05, unit: week}\n"
            ),
            "4:45: rotas.r.rotations[0].zone: 'Mars' is not an IANA time zone",
        ),
        (
            (
                "rotas: {r: {fallback: on-call, overrides: [{start: 2026-01-01T00:00:00Z, "
                "end: 2026-01-02T00:00:00Z, person: eve}]}}"
            ),
            (
                "1:109: rotas.r.overrides[0].person: 'eve' is no contact, so nobody could reach them; "
                "one of head-of-support, on-call, support, team-lead, triage"
            ),
        ),
        (
            "contacts: {a: x}\nteams:\n  a: {via: q}\n",
            "3:6: teams.a: the name is taken by one of the contacts",
        ),
        ("calendar: offce", "1:11: calendar: 'offce' is no calendar; did you mean 'office'?"),
        (
            "calendar: none\nseverities:\n  high:\n    clocks: {update: 9bh}\n",
            (
                "4:22: severities.high.clocks.update: 9bh needs a calendar: name one here, "
                "or `calendar` for all"
            ),
        ),
        (
            "calendars:\n  office: {zone: UTC}\n",
            "2:11: calendars.office.week: no window at all; give at least one, or `always: true`",
        ),
        (
            (
                "calendars:\n  office:\n    zone: UTC\n    week:\n"
                '      mon-fri: ["09:00-12:00", "11:00-14:00"]\n'
            ),
            "5:16: calendars.office.week.mon: 09:00-12:00 overlaps 11:00-14:00",
        ),
        (
            'calendars: {office: {week: {mon: ["9:00-12:00"]}}}',
            "1:35: calendars.office.week.mon[0]: '9:00-12:00' is no window: write it as 09:00-12:00",
        ),
        (
            'calendars: {office: {week: {monday: ["09:00-12:00"]}}}',
            "1:37: calendars.office.week.monday: is neither a day nor days: write mon, or mon-fri",
        ),
        (
            'calendars: {office: {week: {mon-fri: "09:00-12:00", wed: "09:00-10:00"}}}',
            "1:58: calendars.office.week.wed: wed has its hours already",
        ),
        (
            'calendars: {office: {week: {mon: "09:00-12:00"}, holidays: [2026-02-30]}}',
            "1:61: calendars.office.holidays[0]: '2026-02-30' is no date; write it as 2026-12-25",
        ),
        (
            "mutes:\n  m: {start: 2026-12-25T18:00:00Z, end: 2026-12-26T18:00:00Z, reason: ''}",
            "2:71: mutes.m.reason: empty; say why nobody is notified",
        ),
        (
            "mutes:\n  m: {zone: UTC, week: {mon-sun: '00:00-24:00'}, reason: r}",
            "2:24: mutes.m.week: mutes all the time, nobody would ever be notified",
        ),
        (
            "packs:\n  - {name: a, match: {}, severities: {}}\n",
            "2:38: packs[0].severities: has no severity, so the pack changes nothing",
        ),
        (
            (
                "packs:\n  - {name: a, match: {}, severities: {low: {}}}\n"
                "  - {name: a, match: {}, severities: {low: {}}}\n"
            ),
            "3:5: packs[1]: there is a pack 'a' already",
        ),
    ],
)
def test_names_people_and_calendars(content: str, error: str) -> None:
    assert f"p.yaml:{error}" in told(content)


def test_a_gate_needs_a_calendar() -> None:
    errors = told(LADDER % "{to: support, wait: 1h, gate: offices}")
    assert errors == [
        (
            "p.yaml:1:85: severities.high.ladder[1].gate: 'offices' is no calendar; "
            "did you mean 'office'?"
        )
    ]


def test_all_errors_are_told_at_once_in_their_order() -> None:
    content = "calendar: offce\nmax_epochs: 0\ncontacts: {no: x, anna: []}\nfallback: [anne]\n"
    lines = [line.split(":")[1] for line in told(content)]
    assert lines == ["1", "2", "3", "3", "4"]


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (
            "severities:\n  high: {clocks: {receipt: 5h}}\n",
            "2:28: warning: severities.high.clocks.receipt: 5h is more than the 4h of medium",
        ),
        (
            "severities:\n  high: {clocks: {receipt: none}}\n",
            (
                "2:28: warning: severities.high.clocks.receipt: no deadline at all is more than the 4h "
                "of medium"
            ),
        ),
        (
            "severities:\n  critical: {clocks: {receipt: 1bh}}\n",
            "2:32: warning: severities.critical.clocks.receipt: 1bh is more than the 1h of high",
        ),
        (
            "packs:\n  - {name: a, match: {}, severities: {high: {clocks: {receipt: 5h}}}}\n",
            (
                "2:64: warning: packs[0].severities.high.clocks.receipt: 5h is more than the 4h of "
                "medium"
            ),
        ),
        (
            "severities: {critical: {ladder: none}}",
            "1:33: warning: severities.critical.ladder: nobody is notified of a critical case",
        ),
        (
            "severities: {critical: {ladder: [{to: on-call, wait: 1h, gate: office}]}}",
            (
                "1:64: warning: severities.critical.ladder[0].gate: a critical case does not wait for "
                "gates"
            ),
        ),
        (
            "severities: {low: {nudges: [400h]}}",
            "1:28: warning: severities.low.nudges: the last one comes after `no_response`",
        ),
        (
            (
                "rotas:\n  r:\n    rotations: [{name: a, members: [on-call], zone: UTC, "
                "starts: 2026-01-05T09:00, unit: week, during: {mon-sun: '08:00-20:00'}}]\n"
            ),
            (
                "3:5: warning: rotas.r: nobody is on duty from 2026-11-18T20:00:00Z to "
                "2026-11-19T08:00:00Z, 400 such gaps in 400 days: name a `fallback`"
            ),
        ),
    ],
)
def test_what_is_only_doubtful(content: str, warning: str) -> None:
    assert f"p.yaml:{warning}" in warned(content)


def test_no_gaps_are_told_of_a_rota_with_a_fallback() -> None:
    rota = (
        "rotas: {r: {fallback: team-lead, rotations: [{name: a, members: [on-call], zone: UTC, "
        "starts: 2026-01-05T09:00, unit: week, during: {mon: '08:00-20:00'}}]}}"
    )
    assert warned(rota) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            "contacts: {anna: 5}\nfallback: [anna]",
            "1:18: contacts.anna: 5 is read as a number; put it in quotes",
        ),
        (
            (
                "rotas: {r: {rotations: [{name: a, members: [on-call], zone: UTC, starts: "
                "2026-01-05T09:00, unit: month}]}}"
            ),
            "1:98: rotas.r.rotations[0].unit: 'month' is unknown; one of day, week",
        ),
        (
            "severities: {critical: {ladder: [1]}}",
            "1:34: severities.critical.ladder[0]: should have keys, each with a value",
        ),
    ],
)
def test_what_only_follows_from_another_error_is_not_told(content: str, error: str) -> None:
    assert told(content) == [f"p.yaml:{error}"]
