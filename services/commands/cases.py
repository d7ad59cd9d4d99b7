"""``tocsin cases``: read the case view, send commands."""

from __future__ import annotations

import copy
import getpass
import heapq
import itertools
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from services.commands.cases_options import AHEAD, Given, When, among, converted, tree_of
from services.commands.cases_verbs import ASIDE, FEEDBACK, LEARN, VERBS, Parameter, Verb
from services.commands.common import as_json, line, loaded
from shared.events import CaseCommand, CaseState, Channel, CommandKind, Severity

if TYPE_CHECKING:
    from services.commands.cases_send import Told
    from services.escalation.view.redis_view import RedisView
    from shared.config import Config
    from shared.events import Case

PAGE = 100


@click.group()
def command() -> None:
    """List and show cases, and do everything to them.

    A command is sent by Kafka, and counts once by its id. Exit code 1: it was refused, or there is no
    such case. 3: nobody has taken it yet; nothing is lost then.
    """


@command.command("list")
@as_json
@click.option("--state", "states", multiple=True, type=among(CaseState))
@click.option("--severity", "severities", multiple=True, type=among(Severity))
@click.option("--channel", "channels", multiple=True, type=among(Channel))
@click.option("--assignee", help="Whose they are.")
@click.option("--team", help="Whose queue they are in.")
@click.option(
    "--due-before", type=AHEAD, help="With something due before: a time, or a span from now."
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.pass_context
def list_(
    context: click.Context,
    /,
    as_json: bool,
    states: tuple[str, ...],
    severities: tuple[str, ...],
    limit: int,
    due_before: When | None,
    **wanted: Given,
) -> None:
    """List cases, the latest opened first; options that may be given more than once mean any of."""
    from services.commands.cases_send import Desk
    from services.commands.cases_text import summary

    settings = loaded(context).config
    desk = Desk(settings)
    desk.check()
    before = None if due_before is None else due_before.resolved(_now(settings))
    pages = [
        _pages(desk.view, number, tuple(map(CaseState, states)), tuple(map(Severity, severities)))
        for number in range(desk.partitions)
    ]
    cases = heapq.merge(*pages, key=lambda case: (-case.opened_at, case.case_id))
    for case in itertools.islice((one for one in cases if _fits(one, before, wanted)), limit):
        line(case) if as_json else click.echo(summary(case))


def _pages(
    view: RedisView,
    partition: int,
    states: tuple[CaseState, ...],
    severities: tuple[Severity, ...],
) -> Iterator[Case]:
    """Yield the cases of a partition, the latest opened first, read as they are taken."""
    from services.escalation.view.model import place_of

    behind = None
    while page := view.page(partition, PAGE, states=states, severities=severities, behind=behind):
        yield from page
        behind = place_of(page[-1])


def _fits(case: Case, before: int | None, wanted: dict[str, Given]) -> bool:
    channels, assignee, team = wanted["channels"], wanted["assignee"], wanted["team"]
    if before is not None and (case.next_due_at is None or case.next_due_at >= before):
        return False
    return (
        (not isinstance(channels, tuple) or not channels or case.channel in channels)
        and (assignee is None or case.assignee == assignee)
        and (team is None or case.team == team)
    )


@command.command()
@click.argument("case_id")
@as_json
@click.pass_context
def show(context: click.Context, case_id: str, as_json: bool) -> None:
    """Show a case: what is next, clocks, follow-ups, what was said and offered."""
    from services.commands.cases_send import Desk
    from services.commands.cases_text import describe

    settings = loaded(context).config
    with _found():
        case = Desk(settings).case(case_id)
    if as_json:
        line(case)
    else:
        click.echo(describe(case, _now(settings)))


@command.command()
@click.argument("case_id")
@as_json
@click.pass_context
def timeline(context: click.Context, case_id: str, as_json: bool) -> None:
    """Tell all that happened to a case, from its events: who, what, when and why; and who was told."""
    from services.record import timeline as record
    from shared.topics import Names

    kafka = loaded(context).config.kafka
    where = (kafka.client(), Names(kafka.topic_prefix), kafka.partitions, case_id)
    found = record.events_of(*where)
    if not found:
        _missing(case_id)
    lines = record.with_deliveries(record.timeline(found), record.deliveries_of(*where))
    if as_json:
        for one in lines:
            line(one)
    else:
        click.echo(record.render(lines))


def _add(verb: Verb) -> None:
    """Add the command of a verb, under each of its names."""

    @as_json
    @click.option("--actor", default=getpass.getuser, help="Who does it; default: the user.")
    @click.option("--expected-seq", type=int, help="Refuse when the case has moved on.")
    @click.option("--command-id", help="An id of yours: sent again, it counts once.")
    @click.pass_context
    def send(
        context: click.Context,
        /,
        case_id: str,
        as_json: bool,
        actor: str,
        expected_seq: int | None,
        command_id: str | None,
        **given: Given,
    ) -> None:
        common = {"actor": actor, "expected_seq": expected_seq, "command_id": command_id}
        _carry_out(context, verb, case_id, given | common, as_json)

    # What is added last comes first: the case before the arguments of the verb.
    of_case: Parameter = click.argument("case_id")
    for parameter in (*reversed(verb.parameters), of_case):
        parameter(send)
    group, name = _home(verb.name)
    made = click.command(name, help=verb.help)(send)
    group.add_command(made)
    if verb.also:
        other = copy.copy(made)
        other.hidden = True
        group.add_command(other, verb.also)


def _home(name: str) -> tuple[click.Group, str]:
    """Return the group that a command belongs to, and its name in it."""
    head, _, inner = name.partition(" ")
    if not inner:
        return command, head
    group = command.commands.get(head)
    if not isinstance(group, click.Group):
        group = click.Group(head, help="Settle a promised follow-up: done, or waived.")
        command.add_command(group)
    return group, inner


def _carry_out(
    context: click.Context, verb: Verb, case_id: str, given: dict[str, Given], as_json: bool
) -> None:
    from services.commands.cases_send import Desk

    if verb.either and not any(given[name] not in (None, ()) for name in verb.either):
        names = [one.opts[0] for one in context.command.params if one.name in verb.either]
        raise click.UsageError(f"one of these is needed: {', '.join(names)}")
    settings = loaded(context).config
    now = _now(settings)
    aside = {name: given.pop(name, None) for name in ASIDE}
    with _found():
        desk = Desk(settings)
        before = desk.case(case_id)
        fixed: dict[str, Given] = {"tenant": before.tenant, "case_id": case_id, "kind": verb.kind}
        given["command_id"] = given["command_id"] or uuid.uuid4().hex
        given["at"] = given.get("at") or When(now)
        wanted = converted(tree_of(given | fixed, now), CaseCommand)
        told = desk.carry_out(wanted)
        if told.refused is None and verb.kind is CommandKind.CORRECT_SEVERITY and aside[LEARN]:
            feedback_id = aside[FEEDBACK]
            told = desk.teach(told, wanted, None if feedback_id is None else str(feedback_id))
    _tell(told, as_json)


def _tell(told: Told, as_json: bool) -> None:
    from services.commands.cases_text import summary

    if as_json:
        line(told)
    else:
        click.echo(summary(told.case))
        if told.correction is not None:
            click.echo(f"correction {told.correction}: the next model learns it")
    if told.not_learnt is not None:
        click.echo(f"tocsin: nothing to learn from: {told.not_learnt}", err=True)
    if told.refused is not None:
        said = f"({told.refused.refusal}): {told.refused.detail}"
        click.echo(f"tocsin: refused {said}", err=True)
        sys.exit(1)


@contextmanager
def _found() -> Iterator[None]:
    """End the process with 1 when there is no such case."""
    from services.commands.cases_send import NoSuchCase

    try:
        yield
    except NoSuchCase as error:
        _missing(str(error))


def _missing(case_id: str) -> None:
    click.echo(f"tocsin: no case {case_id}", err=True)
    sys.exit(1)


def _now(settings: Config) -> int:
    from shared.clock import SystemClock

    return SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms()


for _verb in VERBS:
    _add(_verb)
