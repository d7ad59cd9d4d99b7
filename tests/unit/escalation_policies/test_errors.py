"""Every class of mistake in a policy file is told with its exact place; all of a file at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.escalation.policies import loading
from services.escalation.policies.loading import Refused, examine, load
from services.escalation.policies.parts import MAX_PARTS
from tests.unit.escalation_policies.told import LADDER, NOW, told


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("a:\n\t- b\n", "2:1: not YAML: a tab cannot indent; use spaces"),
        ("limits: [1\n", "2:1: not YAML: did not find expected ',' or ']'"),
        ("limits: *gone\n", "1:9: not YAML: found undefined alias"),
        ("limits: \x00\n", "1:9: not YAML: control characters are not allowed"),
        ("version: a\n---\nversion: b\n", "2:1: not YAML: but found another document"),
        ("? [a]\n: b\n", "1:3: ?: should be a single value, not a list"),
        ("- 1\n", "1:1: should have keys, each with a value"),
        ("hello\n", "1:1: should have keys, each with a value"),
    ],
)
def test_what_is_no_document(content: str, error: str) -> None:
    assert told(content) == [f"p.yaml:{error}"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("\nseverity: {}\n", "2:11: severity: is no known key; did you mean 'severities'?"),
        (
            "severities:\n  high:\n    ladders: []\n",
            "3:14: severities.high.ladders: is no known key; did you mean 'ladder'?",
        ),
        (
            "severities:\n  urgent: {}\n",
            (
                "2:11: severities.urgent: is no known key; "
                "one of critical, high, low, medium, undetermined"
            ),
        ),
        (
            "severities: {high: {clocks: {receit: 1h}}}",
            "1:38: severities.high.clocks.receit: is no known key; did you mean 'receipt'?",
        ),
        ("thanks: {prais: 8bh}", "1:17: thanks.prais: is no kind; did you mean 'praise'?"),
        ("team: a\nteam: b\nteams: {a: {via: q}}", "2:1: team: is there twice"),
        (
            "contacts:\n  anna: [sms]\n  anna: [mail]\n",
            "3:3: contacts.anna: is there twice",
        ),
        (
            "contacts:\n  no: [sms]\n",
            "2:3: contacts.no: no is read as true or false; put it in quotes",
        ),
        (
            "contacts:\n  anna: [on]\n",
            "2:10: contacts.anna[0]: on is read as true or false; put it in quotes",
        ),
        (
            "contacts: {anna: {via: 007}}",
            "1:24: contacts.anna.via: 007 is read as a number; put it in quotes",
        ),
        (
            "fallback: [2026-12-24]",
            "1:12: fallback[0]: 2026-12-24 is read as a date; put it in quotes",
        ),
        ("fallback: {a: b}", "1:11: fallback: should be a single value, not keys with values"),
        ("calendar:\n", "1:10: calendar: is empty; give it a value or leave it out"),
        ("severities: [high]", "1:13: severities: should have keys, each with a value"),
        ("packs: {}", "1:8: packs: should be a list"),
        ("max_epochs: many", "1:13: max_epochs: 'many' is no whole number"),
        ("max_epochs: 1:30", "1:13: max_epochs: '1:30' is no whole number"),
        ("max_epochs: 0", "1:13: max_epochs: 0 is not between 1 and 1000"),
        (
            "severities: {high: {pause_for_customer: maybe}}",
            "1:41: severities.high.pause_for_customer: 'maybe' is neither true nor false",
        ),
        ("version: a/b", "1:10: version: is a text of 1 to 80 characters without a slash"),
        ("packs:\n  - match: {}\n    severities: {}\n", "2:5: packs[0]: needs 'name'"),
        (
            "packs: [{name: a, match: {reasons: [legl]}, severities: {low: {}}}]",
            "1:37: packs[0].match.reasons[0]: 'legl' is unknown; did you mean 'legal'?",
        ),
        (
            "x-own: &a {<<: *a}\nlimits: *a\n",
            "1:8: limits.<<: should be an anchor of keys and values",
        ),
    ],
)
def test_shapes_and_words(content: str, error: str) -> None:
    assert f"p.yaml:{error}" in told(content)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("grouping: 3d", "1:11: grouping: '3d': a day is ambiguous: write 24h or 8bh"),
        (
            "grouping: 90",
            (
                "1:11: grouping: '90' is no duration: write a number and s, m, h, bm or bh; "
                "without a unit 90 could be 90s, 90m or 90h"
            ),
        ),
        (
            "grouping: 1:30",
            "1:11: grouping: '1:30' is no duration: write a number and s, m, h, bm or bh",
        ),
        (
            "grouping: 8bh",
            "1:11: grouping: 8bh is working time; here the wall clock counts: write h, m or s",
        ),
        ("grouping: 999999h", "1:11: grouping: 999999h is more than ten years"),
        (
            LADDER % "{to: support, wait: 59s}",
            "1:75: severities.high.ladder[1].wait: 59s is not between 1m and 150h",
        ),
        (
            LADDER % "{to: support, wait: 540001s}",
            "1:75: severities.high.ladder[1].wait: 540001s is not between 1m and 150h",
        ),
        (LADDER % "{wait: 1h}", "1:55: severities.high.ladder[1]: needs 'to'"),
        (LADDER % "{to: support}", "1:55: severities.high.ladder[1]: needs 'wait'"),
        (
            LADDER % "{to: [], wait: 1h}",
            "1:60: severities.high.ladder[1].to: 0 entries, not 1 to 100",
        ),
        (
            "severities: {high: {ladder: []}}",
            "1:29: severities.high.ladder: 0 entries, not 1 to 20",
        ),
        (
            "severities: {{high: {{ladder: [{}]}}}}".format(
                ", ".join(["{to: support, wait: 1h}"] * 21)
            ),
            "1:29: severities.high.ladder: 21 entries, not 1 to 20",
        ),
        (
            "severities: {low: {repeat: 10}}",
            "1:28: severities.low.repeat: 10 is not between 0 and 9",
        ),
        (
            "severities: {low: {warn: [75, 100]}}",
            "1:31: severities.low.warn[1]: 100 is not between 1 and 99",
        ),
        (
            "severities: {low: {warn: [90, 75]}}",
            "1:26: severities.low.warn: each has to be more than the one before it",
        ),
        (
            "mutes: {m: {start: 2026-12-24T18:00:00, end: 2026-12-25T18:00:00Z, reason: r}}",
            (
                "1:20: mutes.m.start: '2026-12-24T18:00:00' is no instant: "
                "write it as 2026-12-24T18:00:00+01:00"
            ),
        ),
        (
            "mutes:\n  m: {start: 2026-12-25T18:00:00Z, end: 2026-12-25T18:00:00+01:00, reason: r}",
            "2:6: mutes.m: the end 2026-12-25T17:00:00Z is not after the start 2026-12-25T18:00:00Z",
        ),
    ],
)
def test_numbers_and_times(content: str, error: str) -> None:
    assert f"p.yaml:{error}" in told(content)


def test_a_file_is_refused_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "house.yaml"
    file.write_text("max_epochs: 0\ncalendar: x\n", "utf-8")
    with pytest.raises(Refused) as refused:
        load(file, NOW)
    assert str(refused.value).split("\n") == [
        "house.yaml:1:13: max_epochs: 0 is not between 1 and 1000",
        "house.yaml:2:11: calendar: 'x' is no calendar; one of office",
    ]


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_text("#" * (loading.MAX_BYTES + 1), "utf-8")
    assert [str(one) for one in examine(file, NOW).errors] == [
        "big.yaml:1:1: larger than 1000000 bytes"
    ]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(b"version: a\nteam: \xff\n")
    assert [str(one) for one in examine(file, NOW).errors] == ["bad.yaml:2:7: not UTF-8 text"]


def test_anchors_cannot_blow_a_file_up() -> None:
    rows = ["x-a: &a [mail, mail, mail, mail, mail, mail, mail, mail, mail, mail]"]
    rows += ["x-b: &b {{{}}}".format(", ".join(f"c{n}: *a" for n in range(1000)))]
    rows += [
        "contacts: *b",
        "teams: {{{}}}".format(", ".join(f"t{n}: {{via: *a, members: *a}}" for n in range(4000))),
    ]
    (error,) = told("\n".join(rows))
    assert f"more than {MAX_PARTS} parts" in error


def test_deep_nesting_is_refused() -> None:
    assert told("packs: " + "[" * 5000) == ["p.yaml:1:107: not YAML: nested deeper than 100"]


def test_a_policy_too_large_to_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_KEPT_BYTES", 100)
    assert told("") == ["p.yaml:1:1: the policy takes more than 100 bytes to keep"]
