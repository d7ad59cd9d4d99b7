"""``tocsin deliveries``: what was told to whom, and telling it again."""

from __future__ import annotations

import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.events import DeliveryStatus

if TYPE_CHECKING:
    from services.notifier.replaying import Started
    from shared.config import Config
    from shared.events import Delivery
    from shared.streams.spans import Moved


@click.group()
def command() -> None:
    """Show what was told to whom, and tell it again."""


@command.command("list")
@click.option("--case", "case_id", metavar="ID", help="Of one case.")
@click.option(
    "--since", metavar="TIME", help="RFC 3339, or a span back; default: 24h, of a case all."
)
@click.option("--sink", help="By one sink.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([one.value for one in DeliveryStatus]),
    help="That ended so; may be given more than once.",
)
@as_json
@click.pass_context
def list_(
    context: click.Context,
    case_id: str | None,
    since: str | None,
    sink: str | None,
    statuses: tuple[str, ...],
    as_json: bool,
) -> None:
    """List deliveries: when, by which sink, to whom, what for, and how it ended."""
    from services.record.timeline import printable
    from services.record.times import rfc3339

    settings = loaded(context).config
    since_ms = _moment(since or ("24h" if case_id is None else "1970-01-01"), "--since")
    for one in _deliveries(settings, case_id, since_ms):
        if (sink is not None and one.sink != sink) or (statuses and one.status not in statuses):
            continue
        if as_json:
            line(one)
            continue
        what = one.kind if one.message is None else f"{one.kind} {one.message}"
        whom = f" to {one.target}" if one.target else ""
        about = f"  {one.case_id}" if one.case_id else ""
        tries = f", {one.attempts} attempts" if one.attempts > 1 else ""
        detail = f" ({one.detail})" if one.detail else ""
        text = f"{rfc3339(one.at)}  {one.sink}: {what}{whom}: {one.status}{tries}{detail}{about}"
        click.echo(printable(text))


@command.command()
@click.option("--sink", required=True, help="Of which sink.")
@click.option("--since", required=True, metavar="TIME", help="RFC 3339, or a span back: 7d, 24h.")
@click.option("--until", metavar="TIME", help="Before this time; default: all there is by now.")
@click.option("--parked", is_flag=True, help="Only what was given up, and was not told since.")
@click.option("--id", "replay", help="An id of yours: run again under it, nothing is told twice.")
@click.option("--dry-run", is_flag=True, help="Count; tell nothing.")
@as_json
@click.pass_context
def replay(
    context: click.Context,
    sink: str,
    since: str,
    until: str | None,
    parked: bool,
    replay: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Tell a sink again what was planned for it in a time range, under the ids of old.

    The time is that of the record in Kafka. What asks for an acknowledgement that was given meanwhile
    is not told. Customers are not written to twice. Exit code 1: there was nothing to tell.
    """
    from services.notifier.replaying import Replaying, Wanted, write
    from shared.topics import Names

    settings = loaded(context).config
    kafka, names = settings.kafka, Names(settings.kafka.topic_prefix)
    until_ms = None if until is None else _moment(until, "--until")
    wanted = Wanted(sink, _moment(since, "--since"), until_ms, parked)
    name = replay or uuid.uuid4().hex
    with _progress(quiet=as_json) as started:
        found = Replaying(kafka.client(), names, kafka.partitions, wanted, started)
        if dry_run:
            count = sum(1 for _ in found.chosen())
        else:
            count = write(kafka.client(), names, found.chosen(), name, _now(settings))
    _tell(sink, count, name, dry_run, found.skipped, as_json)
    if not count:
        sys.exit(1)


def _deliveries(settings: Config, case_id: str | None, since_ms: int) -> Iterator[Delivery]:
    from services.record.timeline import deliveries_of
    from shared import codec, topics
    from shared.streams.spans import span_of

    kafka, names = settings.kafka, topics.Names(settings.kafka.topic_prefix)
    if case_id is not None:
        found = deliveries_of(kafka.client(), names, kafka.partitions, case_id)
        yield from (one for one in found if one.at >= since_ms)
        return
    decoder = codec.Decoder["Delivery"](topics.DELIVERIES.carries)
    for batch in span_of(kafka.client(), names.of(topics.DELIVERIES), since_ms).read():
        yield from (decoder.decode(message.value()) for message in batch)


def _moment(text: str, option: str) -> int:
    from services.record.times import moment

    try:
        return moment(text, int(time.time() * 1000))  # of the records: real time at any speed
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _now(settings: Config) -> int:
    from shared.clock import SystemClock

    return SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms()


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Started]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Progress(console=console, disable=hidden, transient=True) as progress:

        def started(what: str, size: int) -> Moved:
            task = progress.add_task(what, total=size)
            return lambda count: progress.advance(task, count)

        yield started


def _tell(
    sink: str, count: int, name: str, dry_run: bool, skipped: Counter[str], as_json: bool
) -> None:
    if as_json:
        told = {"sink": sink, "replayed": 0 if dry_run else count, "found": count}
        line(told | {"replay": None if dry_run else name, "skipped": dict(skipped)})
        return
    for why, left in sorted(skipped.items()):
        click.echo(f"{left} not: {why.replace('_', ' ')}")
    if dry_run:
        click.echo(f"{sink}: {count} would be told again")
    else:
        click.echo(f"{sink}: {count} are told again (replay {name})")
