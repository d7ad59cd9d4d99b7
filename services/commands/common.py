"""What the commands share: settings from flags, and output for people or for programs."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from shared import config
from shared.errors import Misconfigured

as_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


def loaded(context: click.Context, **flags: config.Scalar | None) -> config.Loaded:
    """Return the settings: defaults < file < environment < ``--set`` < the command's own flags.

    Args:
        flags: dotted names with ``__`` for the dot; None is not set.

    Raises:
        Misconfigured: see :func:`shared.config.load`.
    """
    file, assignments = context.find_root().obj or (None, ())
    values: dict[str, config.Scalar] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise Misconfigured(f"--set {assignment}: expected NAME=VALUE")
        values[name] = value
    for name, scalar in flags.items():
        if scalar is not None:
            values[name.replace("__", ".")] = scalar
    return config.load(os.environ, values, Path(file) if file else None)


def line(value: object) -> None:
    """Print ``value`` as one line of JSON."""
    click.echo(msgspec.json.encode(value))
