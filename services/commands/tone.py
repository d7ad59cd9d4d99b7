"""``tocsin tone``: is a text to a customer neutral and complete, and what does the product write?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from services.commands.common import as_json, line
from shared.events import Channel, MessageKind, Severity

if TYPE_CHECKING:
    from services.notifier.customers.lint import Finding


_kind = click.option(
    "--kind",
    type=click.Choice([kind.value for kind in MessageKind]),
    default=MessageKind.RECEIPT.value,
    show_default=True,
    help="What the message is for.",
)
_language = click.option("--language", default="en", show_default=True, help="BCP 47.")
_own = click.option(
    "--templates",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Template files that replace the packaged ones of the same language, or are added.",
)


@click.group(invoke_without_command=True)
@click.option("--file", type=click.File(encoding="utf-8"), default="-", help="Default: stdin.")
@_kind
@_language
@click.option("--limit", type=click.IntRange(min=0), default=0, help="How long it may be; 0: any.")
@_own
@as_json
@click.pass_context
def command(
    context: click.Context,
    file: TextIO,
    kind: str,
    language: str,
    limit: int,
    templates: Path | None,
    as_json: bool,
) -> None:
    """Lint the text of a message to a customer; exit code 1 when it would not be sent by itself."""
    if context.invoked_subcommand is not None:
        return
    from services.notifier.customers import lint, texts

    rules = lint.Lint.of(texts.load(templates))
    facts = lint.Facts(limit=limit)
    found = rules.check(MessageKind(kind), language, file.read().strip(), facts)
    for one in found:
        if as_json:
            line(one)
        else:
            click.echo(_told(one))
    if lint.blocked(found):
        sys.exit(1)


@command.command()
@_kind
@_language
@click.option(
    "--channel",
    type=click.Choice([channel.value for channel in Channel]),
    default=Channel.EMAIL.value,
    show_default=True,
)
@click.option("--name", default="Example Ltd", show_default=True, help="Who writes.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of the times, IANA.")
@_own
@as_json
def show(
    kind: str,
    language: str,
    channel: str,
    name: str,
    zone: str,
    templates: Path | None,
    as_json: bool,
) -> None:
    """Print a message as it would be written for an invented case."""
    from services.notifier.customers import example, texts
    from services.notifier.customers.messages import form
    from services.notifier.customers.render import House, render

    where = Channel(channel)
    case = example.case(language, where, Severity.HIGH)
    house = House(name=name, zone=zone)
    known = texts.load(templates)
    message = render(MessageKind(kind), case, house, known, example.DUE_AT)
    subject, text = form(message, where, public=where in {Channel.SOCIAL, Channel.REVIEWS})
    if as_json:
        line({"language": message.language, "subject": subject, "text": text})
        return
    click.echo(f"{subject}\n\n{text}" if subject else text)


def _told(one: Finding) -> str:
    place = f"{one.start}-{one.end} " if one.end else ""
    words = f"“{one.found}”: " if one.found else ""
    return f"{one.weight}: {place}{one.rule}: {words}{one.hint}"
