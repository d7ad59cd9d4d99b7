"""``tocsin import``: history from files, through the same path as everything else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from services.ingest.importing.job import Job, Progress
    from services.ingest.importing.report import Report
    from services.ingest.importing.state import State
    from shared.config import Config

FORMATS = ("auto", "jsonl", "csv", "eml", "mbox", "zendesk", "chatwoot")
STATES = Path("~/.local/state/tocsin/import")


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--source", required=True, metavar="NAME", help="Source that the items belong to.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option("--map", "maps", multiple=True, metavar="FIELD=NAME", help="Where a field is.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the source.")
@click.option("--dry-run", is_flag=True, help="Report what is in the files; write nothing.")
@click.option("--backfill", is_flag=True, help="History: cases are opened, nobody is paged.")
@as_json
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="State file.")
@click.option("--restart", is_flag=True, help="Forget how far an earlier run came.")
@click.option("--patience", default=60.0, show_default=True, help="Seconds to wait for Kafka.")
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    source: str,
    kind: str,
    maps: tuple[str, ...],
    options: tuple[str, ...],
    dry_run: bool,
    backfill: bool,
    as_json: bool,
    state: Path | None,
    restart: bool,
    patience: float,
) -> None:
    """Import JSONL, CSV, e-mail and help desk exports; gzip is recognised.

    An import that was cut short goes on where Kafka had everything: run the same command again.
    A file that was changed since (size, time of change) is imported from its beginning.
    What cannot become an item goes to the dead letters with its line. Exit code 1 if there was any.
    """
    from shared import config, logs

    settings = loaded(context).config
    logs.configure(settings.log, "import")
    config.check_exposure(settings)
    if state is not None and len(files) > 1:
        raise click.UsageError("--state is for one file")
    try:
        jobs = _jobs(
            files, settings, source, kind, maps, options, backfill, state=state, restart=restart
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    clean = _report(jobs, settings, as_json) if dry_run else _run(jobs, settings, patience, as_json)
    if not clean:
        sys.exit(1)


def _jobs(
    files: Sequence[Path],
    settings: Config,
    name: str,
    kind: str,
    maps: Sequence[str],
    options: Sequence[str],
    backfill: bool,
    *,
    state: Path | None,
    restart: bool,
) -> list[Job]:
    """Return what is to be done.

    Raises:
        ValueError: one of the options makes no sense, the format of a file cannot be told, or the
            state is of another import.
    """
    from services.ingest.channels.generic import source_name
    from services.ingest.channels.rejection import Rejected
    from services.ingest.channels.tables import columns
    from services.ingest.importing.formats import Format
    from services.ingest.importing.job import Job, Order
    from services.ingest.registry import read
    from shared.clock import SystemClock
    from shared.events import Flag

    try:
        name = source_name(name)
    except Rejected as rejected:
        raise ValueError(rejected.detail) from rejected
    configured = read(Path(settings.ingest.sources_file)).get(name)
    order = Order(
        source=name,
        format=None if kind == "auto" else Format(kind),
        columns=columns(maps),
        settings=Order.settings_of(name, configured, _assigned(options)),
        provider="" if configured is None else configured.provider,
        flags=(Flag.BACKFILL,) if backfill else (),
        folder=STATES.expanduser(),
        state=state,
        restart=restart,
    )
    now = SystemClock().now_ms()
    return [Job(file, order, now) for file in files]


def _assigned(options: Sequence[str]) -> dict[str, str]:
    pairs = [option.partition("=") for option in options]
    for name, equals, _ in pairs:
        if not equals:
            raise ValueError(f"--option {name}: expected NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _report(jobs: Sequence[Job], settings: Config, as_json: bool) -> bool:
    from services.ingest.prepare import Preparer
    from shared.clock import SystemClock
    from shared.topics import Names

    secret = settings.privacy.pseudonym_key.encode()
    preparer = Preparer(settings.tenant, secret, Names(), SystemClock())
    clean = True
    for job in jobs:
        with _bar(job, as_json) as progress:
            report = job.report(preparer, progress)
        clean = clean and not report.unfit
        if as_json:
            line(report)
        else:
            _show_report(report)
    return clean


def _run(jobs: Sequence[Job], settings: Config, patience_s: float, as_json: bool) -> bool:
    import asyncio

    from services.ingest.importing.session import opened
    from shared.errors import TocsinError

    async def session() -> bool:
        clean = True
        async with opened(settings, patience_s) as core:
            for job in jobs:
                try:
                    with _bar(job, as_json) as progress:
                        await job.run(core.intake, patience_s, progress)
                finally:
                    _show_state(job.state, as_json)
                clean = clean and not job.state.counts.rejected
        return clean

    try:
        return asyncio.run(session())
    except Misconfigured:
        raise
    except (TocsinError, KeyboardInterrupt):
        click.echo("tocsin: stopped; the same command goes on from here", err=True)
        raise


@contextmanager
def _bar(job: Job, as_json: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task(job.state.file, total=job.size)
        yield lambda position: bar.update(task, completed=position)


def _show_state(state: State, as_json: bool) -> None:
    if as_json:
        line(state)
        return
    counts = state.counts
    end = "done" if state.finished else f"up to line {state.line}"
    click.echo(
        f"{state.file} ({state.format}): {end}: {counts.accepted} accepted, "
        f"{counts.duplicate} known, {counts.rejected} rejected, {counts.ignored} ignored"
    )


def _show_report(report: Report) -> None:
    click.echo(
        f"{report.file} ({report.format}): {report.items} items in {report.steps} pieces, "
        f"{report.duplicates} of them twice, {report.ignored} parts ignored"
    )
    for title, counts in (("channel", report.channels), ("language", report.languages)):
        for name, count in counts.items():
            click.echo(f"  {title} {name}: {count}")
    for reason, fault in report.unfit.items():
        lines = ", ".join(map(str, fault.lines))
        click.echo(f"  unfit {reason}: {fault.count}, first at line {lines}: {fault.detail}")
