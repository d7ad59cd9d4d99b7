"""``tocsin sinks``: by which ways people and systems are told, and whether they work."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.notifier.checking import Make, Problem, Reached
    from services.notifier.ports import Result
    from services.notifier.settings import Sinks, SinkSettings
    from services.notifier.sinks.build import Making
    from services.notifier.sinks.outbound import Outbound
    from shared.config import Config
    from shared.events import Notification

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Check, list and test the sinks; a running notifier follows the file within a second."""


@command.command()
@click.argument("file", type=FILE, required=False)
@click.option("--policy", type=FILE, help="Default: that of the settings, else the packaged one.")
@as_json
@click.pass_context
def check(context: click.Context, file: Path | None, policy: Path | None, as_json: bool) -> None:
    """Read a file of sinks; name all that is wrong, and whom of the policy it does not reach.

    FILE defaults to `notifier.sinks_file`. Exit code 1: something is wrong.
    """
    import asyncio

    from services.notifier.checking import examine, unreached
    from services.notifier.sinks.outbound import Outbound

    settings = loaded(context, notifier__sinks_file=None if file is None else str(file)).config
    path = Path(settings.notifier.sinks_file)

    async def look() -> list[Problem]:
        outbound = Outbound()
        try:
            sinks, problems = examine(path, _maker(settings, outbound))
        finally:
            await outbound.close()
        return [*problems, *unreached(sinks, _people(settings, policy))]

    problems = asyncio.run(look())
    errors = sum(not one.warning for one in problems)
    if as_json:
        line({"file": str(path), "problems": [one._asdict() for one in problems]})
    else:
        for one in problems:
            click.echo(str(one), err=not one.warning)
        click.echo(f"{path}: {errors} errors, {len(problems) - errors} warnings")
    if errors:
        sys.exit(1)


@command.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List sinks and writers; secrets are counted, never shown."""
    from services.notifier.registry import read
    from services.notifier.sinks.build import CUSTOMERS

    sinks = read(Path(loaded(context).config.notifier.sinks_file))
    named = [
        *sinks.sinks.items(),
        *((CUSTOMERS + name, one) for name, one in sinks.writers.items()),
    ]
    for name, one in named:
        row = _row(name, one)
        if as_json:
            line(row)
        else:
            follows = " ".join(one.events) or "what names it"
            click.echo(
                f"{name:24} {one.kind:12} {row['state']:9} {row['host'] or '-':32} {follows}"
            )


@command.command()
@click.argument("name")
@click.option("--target", default="", help="A person or team of [people] to tell.")
@as_json
@click.pass_context
def test(context: click.Context, name: str, target: str, as_json: bool) -> None:
    """Tell sink NAME something harmless, once, and say what came of it (exit code 1: not told)."""
    import asyncio

    from services.notifier.ports import Verdict
    from services.notifier.registry import read
    from services.notifier.sinks.build import build
    from services.notifier.sinks.outbound import Outbound
    from shared.errors import Misconfigured

    settings = loaded(context).config
    path = Path(settings.notifier.sinks_file)
    sinks = read(path)
    if name not in sinks.sinks:
        raise Misconfigured(f"{path}: there is no sink {name!r}; see `tocsin sinks list`")

    async def deliver() -> Result:
        outbound = Outbound()
        try:
            sink = build(*_making(settings, outbound, name, sinks.sinks[name], sinks))
            return await sink.deliver(_harmless(settings, name, target))
        finally:
            await outbound.close()

    result = asyncio.run(deliver())
    if as_json:
        line({"sink": name, "verdict": result.verdict, "detail": result.detail,
              "reference": result.reference})  # fmt: skip
    else:
        detail = f": {result.detail}" if result.detail else ""
        click.echo(f"{name}: {result.verdict}{detail}")
    if result.verdict is not Verdict.DELIVERED:
        sys.exit(1)


def _making(
    settings: Config, outbound: Outbound, name: str, one: SinkSettings, of: Sinks
) -> Making:
    from services.notifier.sinks.build import Making, secrets_of

    return Making(name, one, outbound, of.people, settings, secrets_of(os.environ))


def _maker(settings: Config, outbound: Outbound) -> Make:
    """Return what proves sinks and writers."""
    from services.notifier.checking import prove

    return lambda name, one, of: prove(_making(settings, outbound, name, one, of))


def _people(settings: Config, file: Path | None) -> list[Reached]:
    """Return whom the policy names; a team without a queue is told by its people."""
    from services.commands.policy_options import policy_of
    from services.notifier.checking import Reached

    policy = policy_of(settings, file)
    teams = [Reached(one.name, one.via) for one in policy.teams if one.via]
    return [*(Reached(one.name, one.via) for one in policy.contacts), *teams]


def _row(name: str, one: SinkSettings) -> dict[str, object]:
    return {
        "name": name,
        "kind": one.kind,
        "state": "disabled" if one.disabled else "active",
        "host": _host(one.url),
        "secrets": len(one.secrets),
        "events": one.events,
        "tenants": one.tenants,
    }


def _host(url: str) -> str | None:
    """Return the host of a URL, the rest of which may be secret; with other schemes it may be itself."""
    from urllib.parse import urlsplit

    try:
        parsed = urlsplit(url)
    except ValueError:
        return None
    return parsed.hostname if parsed.scheme in {"https", "http", "smtp", "smtps"} else None


def _harmless(settings: Config, sink: str, target: str) -> Notification:
    from shared.clock import SystemClock
    from shared.events import Insight, Notification, NotificationKind, Severity

    now = SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms()
    name = uuid.uuid4().hex
    title = f"A test of the sink {sink}: nothing has happened, and nothing has to be done"
    return Notification(
        notification_id=name,
        sink=sink,
        kind=NotificationKind.INFORM,
        tenant=settings.tenant,
        cause=Insight(
            insight_id=name,
            tenant=settings.tenant,
            kind="test",
            at=now,
            title=title,
            severity=Severity.LOW,
        ),
        planned_at=now,
        target=target,
    )
