"""``tocsin config``: every setting, its value and its origin."""

from __future__ import annotations

import click

from services.commands.common import as_json, line, loaded

SECRET = ("password", "key", "keys")


@click.group()
def command() -> None:
    """Show the settings."""


@command.command()
@as_json
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Print every setting with its value and where it comes from; secrets are masked."""
    from shared.config import dotted

    found = loaded(context)
    for name, value in dotted(found.config).items():
        secret = name.endswith(SECRET) and value
        shown = "***" if secret else value
        origin = found.origins.get(name, "default")
        if as_json:
            line({"name": name, "value": shown, "origin": origin})
        else:
            click.echo(f"{name:32} {shown!s:32} {origin}")
