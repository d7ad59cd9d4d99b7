"""``tocsin corrections``: what people say of a severity, from the feedback to the model."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded
from shared.events import Kind, Reason, Severity

if TYPE_CHECKING:
    from services.classifier.corrections import Word
    from shared.config import Config
    from shared.events import SeverityCorrected

_SURE = [one.value for one in Severity if one is not Severity.UNDETERMINED]


@click.group()
def command() -> None:
    """Correct a severity; see what was corrected; train with it; see whether a model has it."""


@command.command()
@click.argument("feedback_id")
@click.option("--severity", required=True, type=click.Choice(_SURE), help="The right one.")
@click.option("--kind", type=click.Choice([one.value for one in Kind]), help="The right kind.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([one.value for one in Reason]),
    help="Why; may be given more than once.",
)
@click.option("--by", default=getpass.getuser, help="Who says so; defaults to the user.")
@click.option("--note", help="A remark for the record.")
@click.option("--id", "command_id", help="An id of yours: said again, it is still one correction.")
@as_json
@click.pass_context
def add(
    context: click.Context,
    feedback_id: str,
    severity: str,
    kind: str | None,
    reasons: tuple[str, ...],
    by: str,
    note: str | None,
    command_id: str | None,
    as_json: bool,
) -> None:
    """Say which severity FEEDBACK_ID should have; exit 1 if there is no such feedback (any more).

    The next model learns it. What a rule decides stays until the rule is changed.
    """
    from services.classifier.corrections import Word
    from shared.clock import SystemClock

    settings = loaded(context).config
    word = Word(
        severity=Severity(severity),
        by=by,
        at=SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms(),
        kind=Kind(kind) if kind else None,
        reasons=tuple(map(Reason, reasons)),
        note=note,
        command_id=command_id,
    )
    _tell(_said(settings, feedback_id, word), as_json)


@command.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the corrections in the order they were made."""
    for one in _stored(loaded(context).config):
        _tell(one, as_json)


@command.command()
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    help="Only those made at or after this time (UTC).",
)
@as_json
@click.pass_context
def export(context: click.Context, out: Path, since: dt.datetime | None, as_json: bool) -> None:
    """Write what `tocsin model train --corrections` learns from: the last correction of each feedback.

    The file is written whole or not at all, and holds redacted texts of customers.
    """
    import msgspec

    from services.classifier.corrections import example, teachable
    from shared.files import write

    first = 0 if since is None else int(since.replace(tzinfo=dt.UTC).timestamp() * 1000)
    found = [one for one in teachable(_stored(loaded(context).config)) if one.at >= first]
    write(b"".join(msgspec.json.encode(example(one)) + b"\n" for one in found), out)
    if as_json:
        line({"file": str(out), "corrections": len(found)})
    else:
        click.echo(f"{out}: {len(found)} corrections")


@command.command()
@click.argument("correction_id")
@click.option("--model", metavar="FILE", help="A model file; default: the one in use.")
@as_json
@click.pass_context
def trace(context: click.Context, correction_id: str, model: str | None, as_json: bool) -> None:
    """Tell whether a model learnt from CORRECTION_ID (exit code 1: no)."""
    from services.classifier.current import model as read
    from shared.errors import Misconfigured

    settings = loaded(context, classifier__model_file=model).config.classifier
    found = read(settings.model_file)
    if found is None:
        raise Misconfigured("there is no model: classifier.model_file is none")
    learnt = correction_id in found.manifest.corrections
    if as_json:
        line({"correction_id": correction_id, "model_version": found.version, "learnt": learnt})
    elif learnt:
        click.echo(f"model {found.version} learnt from {correction_id}")
    else:
        click.echo(
            f"model {found.version} did not learn from {correction_id} "
            f"(of several corrections of a text the last one counts)"
        )
    if not learnt:
        sys.exit(1)


def _said(settings: Config, feedback_id: str, word: Word) -> SeverityCorrected:
    """Send a correction and return it, or the one that was said before under the same id."""
    from services.classifier.corrections import correction, find, said_before
    from shared.commands import CorrectionSender
    from shared.topics import Names

    if word.command_id:
        former = said_before(_stored(settings), feedback_id, word.command_id)
        if former is not None:
            return _same(former, word)
    event = find(settings.kafka, feedback_id)
    if event is None:
        click.echo(f"tocsin: no classified feedback {feedback_id} is kept", err=True)
        sys.exit(1)
    made = correction(event, word)
    names = Names(settings.kafka.topic_prefix)
    sender = CorrectionSender(settings.kafka.client(), names, settings.kafka.partitions)
    sender.send(made)
    sender.flush()
    return made


def _same(former: SeverityCorrected, word: Word) -> SeverityCorrected:
    from shared.errors import Misconfigured

    if (former.severity, former.kind, former.reasons) != (word.severity, word.kind, word.reasons):
        raise Misconfigured(f"--id: another correction has it already: {_summary(former)}")
    return former


def _stored(settings: Config) -> list[SeverityCorrected]:
    from services.classifier.corrections import stored

    return stored(settings.kafka, lambda text: click.echo(f"tocsin: skipped {text}", err=True))


def _tell(one: SeverityCorrected, as_json: bool) -> None:
    if as_json:
        line(one)
    else:
        click.echo(_summary(one))


def _summary(one: SeverityCorrected) -> str:
    when = dt.datetime.fromtimestamp(one.at / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"{one.correction_id}  {when}  {one.was} -> {one.severity}  "
        f"{one.channel}  feedback {one.feedback_id}  by {one.by}"
    )
