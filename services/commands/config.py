"""``tocsin config``: every setting, its value and its origin."""

from __future__ import annotations

import re

import click

from services.commands.common import as_json, line, loaded
from shared.config import Scalar

SECRET = ("password", "key", "keys", "tokens")
PASSWORD_IN_URL = re.compile(r"(?<=:)[^:@/]+(?=@)")


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
        shown = _shown(name, value)
        origin = found.origins.get(name, "default")
        if as_json:
            line({"name": name, "value": shown, "origin": origin})
        else:
            click.echo(f"{name:32} {shown!s:32} {origin}")


def _shown(name: str, value: Scalar) -> Scalar:
    """Return ``value`` without secrets."""
    if name.endswith(SECRET) and value:
        return "***"
    return PASSWORD_IN_URL.sub("***", value) if isinstance(value, str) else value
