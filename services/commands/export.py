"""``tocsin export``: the record as files, for other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from services.commands.common import as_json, line, loaded
from shared.events import Channel, Severity

if TYPE_CHECKING:
    from services.record.export import Summary
    from shared.streams.spans import Moved

WHAT = ("events", "cases", "feedback", "corrections")
FORMATS = ("jsonl", "csv", "parquet")


def _columns(context: click.Context, _: click.Parameter, value: bool) -> None:
    """List the columns and end."""
    if not value or context.resilient_parsing:
        return
    from services.record.rows import SHEETS

    for what, sheet in SHEETS.items():
        click.echo(f"{what.value} (topic {sheet.topic.name})")
        for column in sheet.columns:
            click.echo(f"  {column.name:22} {column.type.value:13} {column.meaning}")
    context.exit()


@click.command()
@click.option("--since", required=True, metavar="TIME", help="RFC 3339, or a span back: 7d, 24h.")
@click.option("--until", metavar="TIME", help="Before this time; default: all there is by now.")
@click.option("--what", type=click.Choice(WHAT), default="events", show_default=True)
@click.option("--case", "case_id", metavar="ID", help="Of one case; with events and cases only.")
@click.option(
    "--severity",
    "severities",
    multiple=True,
    type=click.Choice([one.value for one in Severity]),
    help="Of this severity; may be given more than once.",
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice([one.value for one in Channel]),
    help="Of this channel; may be given more than once.",
)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, whole or not at all; default: standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--columns",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_columns,
    help="List the columns of csv and parquet, and end.",
)
@as_json
@click.pass_context
def command(
    context: click.Context,
    since: str,
    until: str | None,
    what: str,
    case_id: str | None,
    severities: tuple[str, ...],
    channels: tuple[str, ...],
    kind: str,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export events, cases, feedback (redacted) or corrections from a time on.

    The time is that of the record in Kafka. Of each case the last snapshot of the span is written.
    Nothing is written of customers that were erased.

    \b
    jsonl    the events as they are
    csv      one row per event, times RFC 3339 in UTC, lists joined by ";". A text that begins
             with = + - @ tab or a line break gets a leading apostrophe, and so do = + - @ behind
             a semicolon, tab or line break, so that no spreadsheet takes it for a formula
    parquet  the same columns, typed, in zstd; needs pip install 'tocsin[export]'

    The summary goes to standard error when the export goes to standard output.
    """
    from services.record.export import Export, Wanted
    from services.record.rows import SHEETS, What
    from services.record.writers import Format, writer
    from shared.config import check_exposure
    from shared.topics import Names

    settings = loaded(context).config
    check_exposure(settings)
    sheet = SHEETS[What(what)]
    if case_id is not None and not sheet.case:
        raise click.UsageError(f"--case goes with events and cases; {what} are of no case yet")
    if kind == "parquet" and out is None:
        raise click.UsageError("--format parquet needs --out FILE")
    start, end = _time(since, "--since"), None if until is None else _time(until, "--until")
    wanted = Wanted(What(what), start, end, case_id, frozenset(severities), frozenset(channels))
    with _target(out, force) as file:
        to = writer(Format(kind), file, sheet.columns)
        export = Export(settings.kafka.client(), Names(settings.kafka.topic_prefix), wanted)
        with _bar(what, export.size) as moved:
            summary = export.run(to, moved)
    _tell(summary, out, as_json)


def _time(text: str, option: str) -> int:
    from services.record.times import moment
    from shared.clock import SystemClock

    try:
        return moment(text, SystemClock().now_ms())  # records have the real time at any speed
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


@contextmanager
def _target(out: Path | None, force: bool) -> Iterator[BinaryIO]:
    from services.record.writers import whole

    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with whole(out, force=force) as file:
            yield file


@contextmanager
def _bar(what: str, size: int) -> Iterator[Moved]:
    """Show how far the export is, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=size)
        yield lambda count: progress.advance(task, count)


def _tell(summary: Summary, out: Path | None, as_json: bool) -> None:
    import msgspec

    aside = out is None
    if as_json:
        fields = {"file": None if out is None else str(out)} | msgspec.structs.asdict(summary)
        if aside:
            click.echo(msgspec.json.encode(fields), err=True)
        else:
            line(fields)
        return
    skipped = ", ".join(f"{count} {reason}" for reason, count in summary.skipped.items())
    click.echo(
        f"{out or summary.what}: {summary.rows} rows"
        + (f", {summary.first} to {summary.last}" if summary.rows else "")
        + (f", skipped: {skipped}" if skipped else ""),
        err=aside,
    )
