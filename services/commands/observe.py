"""``tocsin observe``: what somebody of the staff saw or was told enters as feedback."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.events import Channel

if TYPE_CHECKING:
    from shared.config import Config


@click.command()
@click.argument("text")
@click.option("--observer", required=True, help="Who observed it: a name or staff id.")
@click.option("--customer", help="Whom: e-mail, number (+49…) or any id; default: not known.")
@click.option(
    "--channel",
    type=click.Choice([one.value for one in Channel]),
    default=Channel.OTHER.value,
    show_default=True,
    help="Where it was seen.",
)
@click.option("--location", help="The branch or place, by its id.")
@click.option("--product", help="What it is about.")
@click.option("--quote", is_flag=True, help="TEXT is in the customer's own words.")
@click.option("--language", help="Language of TEXT, e.g. de; default: detected.")
@click.option("--at", metavar="TIME", help="When, RFC 3339 with its zone; default: now.")
@click.option("--id", "own_id", help="An id of yours; default: made of observer, time and TEXT.")
@click.option("--source", help="The source it goes to; default: the one of provider staff.")
@click.option("--url", help="Where intake listens; default: ingest.host and ingest.port.")
@click.option(
    "--key-file",
    type=click.File("r"),
    help="The key of the source, where the sources file is not at hand ('-': standard input).",
)
@as_json
@click.pass_context
def command(
    context: click.Context,
    /,
    at: str | None,
    own_id: str | None,
    source: str | None,
    url: str | None,
    key_file: click.utils.LazyFile | None,
    as_json: bool,
    **stated: str | bool | None,
) -> None:
    """Tell intake what a customer did or said: TEXT becomes feedback, with its own source.

    The same TEXT of the same observer at the same time is taken once. Exit code 1: it was refused.
    """
    import asyncio

    from services.ingest.observing import checked, send, target

    settings = loaded(context).config
    key = None if key_file is None else _read(key_file)
    base = url or f"http://{settings.ingest.host}:{settings.ingest.port}"
    to = target(base, Path(settings.ingest.sources_file), source, key)
    given = stated | {"observed_at": at or _now(settings), "id": own_id}
    observation = checked({name: value for name, value in given.items() if value is not None})
    result = asyncio.run(send(to, observation))
    if as_json:
        line(result)
    elif result.feedback_id is not None:
        click.echo(f"{result.feedback_id}  {result.status}")
    if result.feedback_id is None:
        click.echo(f"tocsin: refused ({result.reason}): {result.detail}", err=True)
        sys.exit(1)


def _now(settings: Config) -> str:
    from shared.clock import SystemClock

    now = SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms()
    return dt.datetime.fromtimestamp(now / 1000, dt.UTC).isoformat(timespec="milliseconds")


def _read(file: click.utils.LazyFile) -> str:
    key = str(file.read()).strip()
    if not key:
        raise click.UsageError("--key-file: it is empty")
    return key
