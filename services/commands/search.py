"""``tocsin search``: find what customers said and what was done about it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.events import CaseState, Channel, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.record.search import Hit
    from shared.config import Kafka
    from shared.streams.spans import Moved

STALE_S = 14 * 86_400.0


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--since", metavar="TIME", help="Only what is as new: RFC 3339, or 7d, 24h back.")
@click.option("--severity", type=click.Choice([one.value for one in Severity]))
@click.option("--channel", type=click.Choice([one.value for one in Channel]))
@click.option("--state", type=click.Choice([one.value for one in CaseState]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@as_json
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    since: str | None,
    severity: str | None,
    channel: str | None,
    state: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Search redacted feedback, notes, and how cases were clarified and resolved.

    All WORDS must occur; "a phrase" as it stands, -word must not occur, word* is how a word begins.
    Put them in quotes for the shell, as in '"late parcel" -refund'; -- goes before an argument that
    begins with a dash. The best results come first, of equals the latest.

    The index is a file in the cache (TOCSIN_CACHE_DIR), brought up to date from Kafka each time: it
    holds what Kafka keeps, and nothing of customers that were erased up to then. Indexes that were
    not used for 14 days are removed.
    """
    from services.record.build import bring_up
    from services.record.index import Index
    from services.record.search import Only, search
    from services.record.times import moment
    from services.record.words import parse
    from shared.clock import SystemClock
    from shared.config import check_exposure
    from shared.topics import Names

    settings = loaded(context).config
    check_exposure(settings)
    query = parse(" ".join(words))
    if query is None:
        raise click.UsageError("there is no word to look for")
    clock = SystemClock(settings.clock.speedup, settings.clock.epoch_ms)
    try:
        start = None if since is None else moment(since, clock.now_ms())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    kafka = settings.kafka
    with Index(_file(kafka)) as index:
        with _bar() as started:
            skipped = bring_up(index, kafka.client(), Names(kafka.topic_prefix), started)
        if skipped:
            click.echo(f"tocsin: unreadable records were skipped: {skipped}", err=True)
        for hit in search(index, query, Only(start, severity, channel, state), limit):
            _tell(hit, as_json)


def _file(kafka: Kafka) -> Path:
    """Return the index of an installation: another cluster or prefix is another file."""
    from deploy.embedded.jars import cache_dir
    from services.record.index import discard_stale

    name = hashlib.blake2b(
        f"{kafka.bootstrap_servers}\n{kafka.topic_prefix}".encode(), digest_size=8
    ).hexdigest()
    folder = cache_dir() / "search"
    discard_stale(folder, time.time() - STALE_S)
    return folder / f"{name}.sqlite3"


@contextmanager
def _bar() -> Iterator[Callable[[int], Moved]]:
    """Show how far the index is, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Indexing", total=0)

        def started(size: int) -> Moved:
            progress.update(task, total=(progress.tasks[0].total or 0) + size)
            return lambda count: progress.advance(task, count)

        yield started


def _tell(hit: Hit, as_json: bool) -> None:
    import msgspec

    from services.record.search import CLOSE, OPEN
    from services.record.times import rfc3339

    if as_json:
        plain = hit.snippet.replace(OPEN, "").replace(CLOSE, "")
        line(msgspec.structs.replace(hit, snippet=plain))
        return
    said = hit.snippet.replace(OPEN, "\x1b[1m").replace(
        CLOSE, "\x1b[0m"
    )  # click strips it off pipes
    facts = (rfc3339(hit.at), hit.kind, hit.severity, hit.state or "no case", hit.channel)
    click.echo("  ".join(facts))
    click.echo(f"    case {hit.case_id or '-'}  feedback {hit.feedback_id or '-'}")
    click.echo(f"    {said}")
    if hit.resolution and hit.kind != "case":
        from services.record.timeline import printable

        click.echo(f"    resolution: {printable(hit.resolution)}")
