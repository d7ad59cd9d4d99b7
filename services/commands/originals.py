"""``tocsin originals``: open what was sealed at the door. It is not redacted; use it with care."""

from __future__ import annotations

import sys

import click

from services.commands.common import loaded


@click.group()
def command() -> None:
    """Open the untouched message behind a feedback (`raw.digest` of its event)."""


@command.command()
@click.argument("digest")
@click.pass_context
def show(context: click.Context, digest: str) -> None:
    """Write the original to standard output, byte for byte; exit 1 if it is not kept any more."""
    from services.ingest.original import find
    from shared.errors import Misconfigured
    from shared.sealing import Sealer, Unsealable

    settings = loaded(context).config
    if not settings.privacy.seal_key:
        raise Misconfigured("privacy.seal_key is not set, so nothing was sealed and nothing opens")
    kept = find(settings.kafka, digest)
    if kept is None:
        click.echo(
            f"no original {digest}: kept for 30 days, and only while a seal key is set", err=True
        )
        sys.exit(1)
    try:
        sys.stdout.buffer.write(Sealer(settings.privacy.seal_key.encode()).open(kept.sealed))
    except Unsealable as error:
        raise Misconfigured(f"privacy.seal_key: the original was {error}") from error
    if kept.truncated:
        click.echo(f"only the beginning of {kept.size} bytes was kept", err=True)
