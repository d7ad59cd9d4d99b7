"""``tocsin up``: the whole system, without a sample."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import click

from services.commands.common import as_json, line, loaded


@click.command()
@as_json
@click.option("--keep", metavar="DIR", type=click.Path(file_okay=False), help="Keep data and logs.")
@click.pass_context
def command(context: click.Context, as_json: bool, keep: str | None) -> None:
    """Start everything and stay until Ctrl-C."""
    from deploy.demo.run import data_folder, progress
    from deploy.stack import Stack

    settings = loaded(context)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with ExitStack() as cleanup:
        stack = Stack(data_folder(keep, cleanup), settings, progress=progress)
        cleanup.callback(stack.stop)
        stack.start()
        addresses = {
            "intake": stack.intake_url + "/v1/feedback",
            "console": stack.console_url + "/api/v1",
            "hooks": stack.hooks_url + "/hooks",
            "kafka": stack.config.kafka.bootstrap_servers,
            "redis": stack.config.redis.url,
            "metrics": {member.name: member.metrics_url + "/metrics" for member in stack.members},
        }
        if as_json:
            line(addresses)
        else:
            for name, address in addresses.items():
                click.echo(f"{name:8} {address}")
        ended.wait()
