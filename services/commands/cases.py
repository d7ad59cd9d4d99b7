"""``tocsin cases``: read the case view, send commands."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
import time
import uuid
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.errors import Misconfigured, Transient

if TYPE_CHECKING:
    from services.escalation.view.redis_view import RedisView
    from shared.config import Config
    from shared.events import Case, CommandKind

WAIT_S = 10.0


@click.group()
def command() -> None:
    """List, show, acknowledge and resolve cases."""


@command.command("list")
@as_json
@click.option("--state", type=click.Choice(["open", "acknowledged", "resolved", "closed"]))
@click.option(
    "--severity", type=click.Choice(["critical", "high", "medium", "low", "undetermined"])
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.pass_context
def list_(
    context: click.Context, as_json: bool, state: str | None, severity: str | None, limit: int
) -> None:
    """List cases, the latest opened first."""
    settings = loaded(context).config
    view = _view(settings)
    found = [
        case
        for partition in range(settings.kafka.partitions)
        for case in view.newest(partition, limit if not (state or severity) else 100_000)
        if (state is None or case.state == state)
        and (severity is None or case.severity == severity)
    ]
    for case in sorted(found, key=lambda case: -case.opened_at)[:limit]:
        if as_json:
            line(case)
        else:
            click.echo(_summary(case))


@command.command()
@click.argument("case_id")
@as_json
@click.pass_context
def show(context: click.Context, case_id: str, as_json: bool) -> None:
    """Show one case."""
    case = _case(loaded(context).config, case_id)
    if as_json:
        line(case)
        return
    click.echo(_summary(case))
    for ref in case.feedback:
        click.echo(f"  {_when(ref.received_at)} {ref.channel} {ref.severity}: {ref.excerpt}")
    escalation = case.escalation
    click.echo(
        f"  escalation {escalation.status}, epoch {escalation.epoch}, step {escalation.step}"
    )
    for follow_up in case.follow_ups:
        due = _when(follow_up.due_at)
        click.echo(f"  follow-up {follow_up.number} {follow_up.kind} due {due}: {follow_up.state}")
    for timer in case.timers:
        click.echo(f"  timer {timer.kind} at {_when(timer.due_at)}")


def _sends(name: str, kind: str, text: str, note_help: str) -> None:
    """Add the subcommand ``name``, which sends a command of ``kind`` to a case."""

    @command.command(name, help=text)
    @click.argument("case_id")
    @as_json
    @click.option("--actor", default=getpass.getuser, help="Who does it; defaults to the user.")
    @click.option("--note", help=note_help)
    @click.option("--expected-seq", type=int, help="Refuse when the case has moved on.")
    @click.pass_context
    def send(
        context: click.Context,
        case_id: str,
        as_json: bool,
        actor: str,
        note: str | None,
        expected_seq: int | None,
    ) -> None:
        from shared.events import CommandKind

        _send(context, CommandKind(kind), case_id, as_json, actor, note, expected_seq)


_sends("ack", "acknowledge", "Acknowledge the escalation of a case.", "A remark for the record.")
_sends(
    "resolve",
    "resolve",
    "Resolve a case; its follow-ups are scheduled.",
    "What was done for the customer.",
)


def _send(
    context: click.Context,
    kind: CommandKind,
    case_id: str,
    as_json: bool,
    actor: str,
    note: str | None,
    expected_seq: int | None,
) -> None:
    """Send a command and wait until the case shows it (or that it was refused)."""
    from shared.clock import SystemClock
    from shared.commands import CommandSender
    from shared.events import CaseCommand
    from shared.topics import Names

    settings = loaded(context).config
    before = _case(settings, case_id)
    names = Names(settings.kafka.topic_prefix)
    sender = CommandSender(settings.kafka.client(), names, settings.kafka.partitions)
    wanted = CaseCommand(
        command_id=uuid.uuid4().hex,
        tenant=before.tenant,
        case_id=case_id,
        kind=kind,
        actor=actor,
        at=SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms(),
        expected_seq=expected_seq,
        note=note,
    )
    sender.send(wanted)
    sender.flush()
    after = _wait_for(settings, case_id, wanted.command_id)
    done = after.state != before.state
    if as_json:
        line(after)
    else:
        click.echo(_summary(after))
    if not done:
        click.echo(f"tocsin: refused, the case is {after.state}", err=True)
        sys.exit(1)


def _wait_for(settings: Config, case_id: str, command_id: str) -> Case:
    deadline = time.monotonic() + WAIT_S
    view = _view(settings)
    while time.monotonic() < deadline:
        case = _case(settings, case_id, view)
        if command_id in case.commands:
            return case
        time.sleep(0.05)
    raise Transient(
        f"sent, but no escalation worker has taken it within {WAIT_S:.0f} s: "
        "it will be done when one runs"
    )


def _case(settings: Config, case_id: str, view: RedisView | None = None) -> Case:
    from shared.ids import partition_of, record_key_of_case

    try:
        key = record_key_of_case(case_id)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    view = view or _view(settings)
    partition = partition_of(key, settings.kafka.partitions)
    if view.checkpoint(partition) is not None:
        case = view.fetch(partition, [], [key]).cases[key].get(case_id)
        if case is not None:
            return case
    click.echo(f"tocsin: no case {case_id}", err=True)
    sys.exit(1)


def _view(settings: Config) -> RedisView:
    from services.escalation.__main__ import view_namespace
    from services.escalation.view.redis_view import RedisView, connect

    return RedisView(
        connect(settings.redis.url, settings.redis.timeout_s), view_namespace(settings)
    )


def _summary(case: Case) -> str:
    return (
        f"{case.case_id}  {case.severity:12} {case.state:12} {case.channel:8} "
        f"{_when(case.opened_at)}  {', '.join(case.reasons)}"
    )


def _when(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
