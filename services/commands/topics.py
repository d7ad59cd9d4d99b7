"""``tocsin topics``: plan and apply."""

from __future__ import annotations

import sys

import click

from services.commands.common import as_json, line, loaded


@click.group()
def command() -> None:
    """Plan and apply the Kafka topics."""


@command.command()
@as_json
@click.pass_context
def plan(context: click.Context, as_json: bool) -> None:
    """Show what would change; exit 1 when a change is refused."""
    _run(context, as_json, apply=False)


@command.command()
@as_json
@click.pass_context
def apply(context: click.Context, as_json: bool) -> None:
    """Create and configure topics; never changes a partition count."""
    _run(context, as_json, apply=True)


def _run(context: click.Context, as_json: bool, *, apply: bool) -> None:
    from shared.streams.admin import Action, TopicAdmin
    from shared.topics import Names

    settings = loaded(context).config
    with TopicAdmin(settings.kafka) as admin:
        changes = admin.plan(Names(settings.kafka.topic_prefix), settings.kafka.partitions)
        for change in changes:
            if as_json:
                line(change)
            else:
                click.echo(f"{change.action:9} {change.topic:24} {change.detail}".rstrip())
        if apply:
            admin.apply(changes)
    if any(change.action is Action.REFUSE for change in changes):
        sys.exit(1)
