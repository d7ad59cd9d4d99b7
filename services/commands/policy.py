"""``tocsin policy``: check, show, explain and try out escalation policies."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from services.commands import policy_options as options
from services.commands.common import as_json, line, loaded
from services.commands.policy_simulate import simulate

MAX_YEARS = 50


@click.group()
def command() -> None:
    """Check, show, explain and try out escalation policies."""


command.add_command(simulate)


@command.command()
@click.argument("file", type=options.FILE)
@as_json
@click.pass_context
def check(context: click.Context, file: Path, as_json: bool) -> None:
    """Read a policy; name line and column of all that is wrong or doubtful (exit code 1: wrong)."""
    from services.escalation.policies.loading import examine

    examined = examine(file, options.now(loaded(context).config))
    version = examined.policy.version if examined.policy else None
    if as_json:
        line({"file": str(file), "version": version, "problems": examined.problems})
    else:
        for problem in examined.problems:
            click.echo(str(problem), err=not problem.warning)
        errors, warnings = len(examined.errors), len(examined.warnings)
        click.echo(f"{file}: {errors} errors, {warnings} warnings" + _version(version))
    if version is None:
        sys.exit(1)


def _version(version: str | None) -> str:
    return "" if version is None else f"; version {version}"


@command.command()
@click.argument("file", type=options.FILE, required=False)
@click.option("--current", is_flag=True, help="The one that came into force last, from Kafka.")
@as_json
@click.pass_context
def show(context: click.Context, file: Path | None, current: bool, as_json: bool) -> None:
    """Write the whole effective policy as YAML that `check` accepts (exit code 1: there is none)."""
    from services.escalation.policies.document import written

    settings = loaded(context).config
    if current and file is not None:
        raise click.UsageError("either FILE or --current")
    policy = options.in_force(settings) if current else options.policy_of(settings, file)
    if policy is None:
        click.echo("tocsin: no policy has come into force yet", err=True)
        sys.exit(1)
    if as_json:
        line(policy)
    else:
        click.echo(written(policy), nl=False)


@command.command()
@click.argument("file", type=options.FILE, required=False)
@options.sample
@click.option("--team", help="Who owns the case, when no pack says.")
@click.option("--at", "at", metavar="TIME", help="When it is opened (RFC 3339); default: now.")
@as_json
@click.pass_context
def explain(
    context: click.Context,
    /,
    file: Path | None,
    team: str | None,
    at: str | None,
    as_json: bool,
    **given: options.Given,
) -> None:
    """Say what the policy asks for in such a case: pack, deadlines, ladder, mutes, follow-ups."""
    from services.commands.policy_tell import tell
    from services.escalation.policies.explain import explain as explained

    settings = loaded(context).config
    policy = options.policy_of(settings, file)
    if team is not None and policy.team_named(team) is None:
        raise click.UsageError(f"--team {team}: the policy has no such team")
    now = options.now(settings)
    moment = now if at is None else options.moment(at, now)
    found = explained(policy, options.sample_of(settings, given), moment, team)
    if as_json:
        line(found)
    else:
        tell(found)


@command.command()
@click.argument("file", type=options.FILE)
@click.option("--zone", required=True, help="IANA time zone, such as Europe/Berlin.")
@click.option("--years", required=True, metavar="YEAR[-YEAR]", help="Such as 2026-2027.")
def holidays(file: Path, zone: str, years: str) -> None:
    """Write the holidays of an iCalendar file as YAML for a calendar, each to be approved.

    They have no effect until somebody has set `active` to true, or taken that line out.
    """
    from services.escalation.domain.ical import holidays_from
    from services.escalation.policies.document import as_yaml
    from services.escalation.policies.schema import HOLIDAY
    from shared.errors import Misconfigured

    try:
        found = holidays_from(file.read_bytes().decode(), zone, _years(years))
    except OSError as error:
        raise Misconfigured(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise Misconfigured(f"{file}: {error}") from error
    click.echo(as_yaml({"holidays": [HOLIDAY.plain(one) for one in found.holidays]}), nl=False)
    if found.timed:
        click.echo(f"{found.timed} events with a time of day were left out", err=True)


def _years(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        years = range(int(first), int(last or first) + 1)
    except ValueError:
        years = range(0)
    if not 0 < len(years) <= MAX_YEARS or years[0] < 1970:
        raise click.UsageError(f"--years {text}: write 2026 or 2026-2027")
    return years
