"""``tocsin policy`` as people and programs use it; nothing here needs a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.commands.policy import command
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.policies.document import written
from shared.errors import Misconfigured
from tests.unit.escalation_policies.test_document import EXAMPLE, read

AT = "2026-12-05T20:30:00+01:00"
HOLIDAYS = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261225
SUMMARY:Christmas Day
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20261224T120000Z
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def example(tmp_path: Path) -> str:
    file = tmp_path / "example.yaml"
    file.write_text(EXAMPLE, "utf-8")
    return str(file)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of whoever runs the tests out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOCSIN_ESCALATION__POLICY_FILE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> Result:
    """Run a subcommand; what the command line turns into an exit code is raised."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_check_names_the_version(example: str) -> None:
    result = run("check", example)
    assert result.exit_code == 0
    assert result.output == f"{example}: 0 errors, 0 warnings; version {read(EXAMPLE).version}\n"


def test_check_names_all_errors_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("max_epochs: 0\ncalendar: x\n", "utf-8")
    result = run("check", str(file))
    assert result.exit_code == 1
    assert result.stderr.split("\n")[:2] == [
        "p.yaml:1:13: max_epochs: 0 is not between 1 and 1000",
        "p.yaml:2:11: calendar: 'x' is no calendar; one of office",
    ]
    found = json.loads(run("check", str(file), "--json").stdout)
    assert found["version"] is None
    assert [(one["line"], one["column"]) for one in found["problems"]] == [(1, 13), (2, 11)]


def test_check_tells_doubts_but_accepts(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("severities: {critical: {ladder: none}}\n", "utf-8")
    result = run("check", str(file))
    assert result.exit_code == 0
    assert result.stdout.startswith("p.yaml:1:33: warning: severities.critical.ladder: nobody")
    assert "0 errors, 1 warnings" in result.stdout


def test_check_of_what_is_not_there() -> None:
    with pytest.raises(Misconfigured, match=r"policy file gone\.yaml: No such file"):
        run("check", "gone.yaml")


def test_show_writes_what_check_accepts(example: str, tmp_path: Path) -> None:
    shown = run("show", example).stdout
    assert read(shown) == read(EXAMPLE)
    assert run("show").stdout == written(DEFAULT_POLICY)
    assert answer("show", example)["version"] == read(EXAMPLE).version


def test_show_takes_the_file_of_the_settings(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_ESCALATION__POLICY_FILE", example)
    assert read(run("show").stdout) == read(EXAMPLE)


def test_show_takes_one_policy(example: str) -> None:
    assert run("show", example, "--current").exit_code == 2


def test_explain(example: str) -> None:
    given = (example, "--severity", "high", "--reason", "financial_loss", "--at", AT)
    found = answer("explain", *given)
    assert (found["pack"], found["team"]) == ("money", "billing")
    assert found["ladder"][0]["notified"] == ["billing"]
    text = run("explain", *given).output
    assert "pack money fits: channels email/phone, reasons financial_loss/fraud_security" in text
    assert "Sat 2026-12-05 22:30 Europe/Berlin" in text
    assert "2026-12-05T20:00:00Z  1.2   escalation.reescalated" in text


def test_explain_says_when_there_is_no_case(example: str) -> None:
    text = run("explain", example, "--severity", "low", "--kind", "question").output
    assert "opens no case: question" in text


@pytest.mark.parametrize(
    ("option", "value"),
    [("--team", "sales"), ("--at", "tomorrow"), ("--severity", "urgent"), ("--reason", "noise")],
)
def test_explain_refuses_what_it_does_not_know(example: str, option: str, value: str) -> None:
    result = run("explain", example, option, value)
    assert result.exit_code == 2
    assert value in result.stderr


def test_simulate_tells_what_happens(example: str) -> None:
    given = (example, "--severity", "critical", "--at", AT, "--ack-after", "15m", "--for", "20m")
    found = answer("simulate", *given)
    told = [(one["after"], one["event"], one.get("targets", [])) for one in found["events"]]
    assert ("0h", "escalation.triggered", ["bela"]) in told
    assert ("10m", "escalation.reescalated", ["bela", "team-lead"]) in told
    assert told[-1][:2] == ("15m", "case.acknowledged")
    text = run("simulate", *given).output
    assert "case.acknowledged" in text
    assert "bela, team-lead" in text


def test_simulate_runs_once_for_each_time(example: str) -> None:
    times = f"{AT},2026-12-24T10:00:00+01:00"
    lines = run("simulate", example, "--at", times, "--for", "1h", "--json").stdout.splitlines()
    assert [json.loads(one)["at"] for one in lines] == [1_796_499_000_000, 1_798_102_800_000]


@pytest.mark.parametrize(
    "given",
    [("--against", "x.yaml"), ("--since", "7d", "--at", AT), ("--for", "soon"), ("--at", "soon")],
)
def test_simulate_refuses_what_makes_no_sense(example: str, given: tuple[str, ...]) -> None:
    assert run("simulate", example, *given).exit_code == 2


def test_holidays_wait_for_approval(tmp_path: Path) -> None:
    file = tmp_path / "days.ics"
    file.write_text(HOLIDAYS, "utf-8")
    result = run("holidays", str(file), "--zone", "Europe/Berlin", "--years", "2026-2027")
    assert result.exit_code == 0
    assert result.stderr == "1 events with a time of day were left out\n"
    assert result.stdout == (
        "holidays:\n- {date: '2026-12-25', name: Christmas Day, active: false}\n"
    )
    indented = "".join(f"    {line}\n" for line in result.stdout.splitlines())
    policy = read(f"calendars:\n  office:\n    week: {{mon: '09:00-10:00'}}\n{indented}")
    (holiday,) = policy.calendars[0].holidays
    assert (holiday.date, holiday.active) == ("2026-12-25", False)


@pytest.mark.parametrize("years", ["soon", "2027-2026", "26", "2026-2099"])
def test_holidays_of_no_years(tmp_path: Path, years: str) -> None:
    file = tmp_path / "days.ics"
    file.write_text(HOLIDAYS, "utf-8")
    assert run("holidays", str(file), "--zone", "UTC", "--years", years).exit_code == 2


def test_holidays_of_no_calendar(tmp_path: Path) -> None:
    file = tmp_path / "days.ics"
    file.write_text("hello", "utf-8")
    with pytest.raises(Misconfigured, match=r"days\.ics: "):
        run("holidays", str(file), "--zone", "UTC", "--years", "2026")
