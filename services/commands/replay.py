"""``tocsin replay``: what is kept is what the log says, and what it says would be decided again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.escalation.replaying.report import Report
    from services.escalation.replaying.run import Installation
    from shared.config import Config
    from shared.streams.spans import Moved

_SKIPPED = {
    "input": "the input is not kept any more",
    "history": "the first events of the customer are not kept any more",
    "policy": "the policy is not kept",
    "erased": "the customer was erased",
    "before": "before --since",
}


@click.command()
@click.option("--case", "case_id", metavar="ID", help="The customer of this case only.")
@click.option("--partition", type=click.IntRange(min=0), help="One partition only.")
@click.option("--all", "everything", is_flag=True, help="All partitions.")
@click.option(
    "--since",
    metavar="TIME",
    help="Decide again only what was decided since: RFC 3339, or a span back: 7d.",
)
@as_json
@click.pass_context
def command(
    context: click.Context,
    case_id: str | None,
    partition: int | None,
    everything: bool,
    since: str | None,
    as_json: bool,
) -> None:
    """Rebuild the state from the log, decide everything again, and compare.

    The events of each case are folded and compared with case.state and with the view. Each decision
    whose input is still kept is made again, by the policy of that time, and its events are compared
    byte by byte: this release must be the one that decided. Nothing is written. Exit code 1:
    something differs.
    """
    from services.escalation.replaying.run import Wanted, replay
    from services.record.times import moment

    if sum((case_id is not None, partition is not None, everything)) != 1:
        raise click.UsageError("one of --case, --partition and --all is needed")
    settings = loaded(context).config
    where = _installation(settings)
    try:
        since_ms = 0 if since is None else moment(since, where.now)
    except ValueError as error:
        raise click.UsageError(f"--since: {error}") from error
    owner, numbers = _part(settings, case_id, partition)
    with _progress(quiet=as_json) as started:
        report = replay(where, numbers, Wanted(owner, since_ms), started)
    _tell(report, as_json)
    if not report.is_same:
        sys.exit(1)


def _installation(settings: Config) -> Installation:
    import msgspec

    from services.escalation.__main__ import view_namespace
    from services.escalation.domain.defaults import DEFAULT_POLICY
    from services.escalation.policies.store import PolicyStore, archive_of
    from services.escalation.replaying.run import Installation
    from services.escalation.view.redis_view import RedisView, connect
    from shared.clock import SystemClock
    from shared.topics import Names

    names, client = Names(settings.kafka.topic_prefix), settings.kafka.client()
    policies = {DEFAULT_POLICY.version: DEFAULT_POLICY} | PolicyStore(client, names).load()
    archive = archive_of(policies.values())
    redis = connect(settings.redis.url, settings.redis.timeout_s)
    return Installation(
        client,
        names,
        RedisView(redis, view_namespace(settings)),
        {
            version: msgspec.structs.replace(policy, archive=archive)
            for version, policy in policies.items()
        },
        SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms(),
    )


def _part(
    settings: Config, case_id: str | None, partition: int | None
) -> tuple[str | None, list[int]]:
    """Return the customer and the partitions that are meant."""
    from shared.errors import Misconfigured
    from shared.ids import partition_of, record_key_of_case

    count = settings.kafka.partitions
    if case_id is not None:
        try:
            owner = record_key_of_case(case_id)
        except ValueError as error:
            raise Misconfigured(str(error)) from error
        return owner, [partition_of(owner, count)]
    if partition is None:
        return None, list(range(count))
    if partition >= count:
        raise Misconfigured(f"--partition: there are {count} (kafka.partitions), counted from 0")
    return None, [partition]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int], Moved]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Progress(console=console, disable=hidden, transient=True) as progress:

        def started(total: int) -> Moved:
            task = progress.add_task("records", total=total)
            return lambda count: progress.advance(task, count)

        yield started


def _tell(report: Report, as_json: bool) -> None:
    if as_json:
        line(
            {
                "events": report.events,
                "cases": report.cases,
                "in_view": report.in_view,
                "decisions": report.decisions,
                "redecided": report.redecided,
                "skipped": dict(report.skipped),
                "differing": dict(report.differing),
                "differences": report.differences,
            }
        )
        return
    view = "no view" if report.in_view is None else f"{report.in_view} cases in the view"
    click.echo(f"{report.events} events of {report.cases} cases; {view}")
    click.echo(f"{report.redecided} of {report.decisions} decisions made again")
    for why, count in sorted(report.skipped.items()):
        click.echo(f"  {count} not: {_SKIPPED[why]}")
    for of, count in sorted(report.differing.items()):
        click.echo(f"{count} differ: {of}")
    for one in report.differences:
        where = f" ({one.where})" if one.where else ""
        click.echo(f"  {one.of} {one.case_id}{where}\n    {one.field}: {one.logged} → {one.found}")
    if report.is_same:
        click.echo("nothing differs")
