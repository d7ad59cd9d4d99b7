"""``tocsin worker``: one process, as in production."""

from __future__ import annotations

import os
import sys

import click

from services.commands.common import loaded
from shared.config import as_environ, dotted

SERVICES = ("ingest", "classifier", "escalation", "notifier", "console")


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.pass_context
def command(context: click.Context, service: str) -> None:
    """Run one worker on ``KAFKA_BOOTSTRAP_SERVERS`` and ``REDIS_URL``."""
    found = loaded(context)
    values = dotted(found.config)
    settings = {name: values[name] for name in found.origins}
    # The service's own composition root takes over this process: the same as in production.
    argv = [sys.executable, "-m", f"services.{service}"]
    os.execve(sys.executable, argv, {**os.environ, **as_environ(settings)})  # noqa: S606
