"""``tocsin demo``: the whole system on a sample."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import ExitStack

import click

from services.commands.common import as_json, line, loaded

SAMPLE_SPEEDUP = 3_600.0
SAMPLE_RATE = 20.0


@click.command()
@click.option(
    "--once",
    is_flag=True,
    help="End when everything sent has its outcome, and the sample has shown every step.",
)
@as_json
@click.option("--input", "source", metavar="FILE.jsonl|-", help="Items instead of the sample.")
@click.option("--rate", type=click.FloatRange(min=0), help="Items per second; 0: full speed.")
@click.option("--keep", metavar="DIR", type=click.Path(file_okay=False), help="Keep data and logs.")
@click.option("--speedup", type=click.FloatRange(min=1), help="Run the policy clocks faster.")
@click.pass_context
def command(
    context: click.Context,
    once: bool,
    as_json: bool,
    source: str | None,
    rate: float | None,
    keep: str | None,
    speedup: float | None,
) -> None:
    """Start everything, send a sample through the real door, and show what becomes of it."""
    from rich.console import Console

    from deploy.demo.downstream import Downstream
    from deploy.demo.run import Demo, Options, data_folder, hooks_of, progress
    from deploy.demo.tally import Tally
    from deploy.stack import Stack
    from shared.clock import SystemClock

    if rate is None:
        rate = SAMPLE_RATE if source is None else 0.0
    if speedup is None:
        speedup = SAMPLE_SPEEDUP if source is None else 1.0
    epoch_ms = int(time.time() * 1000)
    console, tally = Console(stderr=as_json), Tally()
    with ExitStack() as cleanup:
        folder = data_folder(keep, cleanup)
        downstream = Downstream(hooks_of(tally, SystemClock(speedup, epoch_ms)), tally.mail)
        downstream.start()
        cleanup.callback(downstream.stop)
        settings = loaded(
            context,
            clock__speedup=speedup,
            clock__epoch_ms=epoch_ms,
            notifier__sinks_file=str(downstream.write_sinks(folder)),  # nobody else is ever told
            privacy__seal_key=loaded(context).config.privacy.seal_key or secrets.token_urlsafe(32),
        )
        stack = Stack(folder, settings, progress=progress)
        cleanup.callback(stack.stop)
        stack.start()
        demo = Demo(stack, Options(once, source, rate), console, tally)
        well = demo.run()
        if as_json:
            line(demo.tally.report())
        for what in demo.missing():
            click.echo(f"tocsin: the sample did not show {what}", err=True)
        if not tally.is_told:
            click.echo("tocsin: not everybody was told, or not verifiably", err=True)
    if not well:
        sys.exit(1)
