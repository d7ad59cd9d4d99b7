"""``tocsin rules``: check, test and explain the rules of the classifier."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.classifier.severity import Classifier

_own = click.option(
    "--rules",
    "rules",
    metavar="DIR",
    help="Rule files that replace the packaged ones of the same name, or are added.",
)


@click.group()
def command() -> None:
    """Check, test and explain the rules that find what is urgent."""


@command.command()
@_own
@as_json
@click.pass_context
def check(context: click.Context, rules: str | None, as_json: bool) -> None:
    """Read all rule files; name file, line and reason of what is wrong (exit code 2)."""
    from services.classifier.rulebook import unknown_to_the_model

    classifier = _classifier(context, rules)
    ruleset = classifier.ruleset
    unknown = unknown_to_the_model(classifier)
    if as_json:
        line(
            {
                "version": ruleset.version,
                "rules": len(ruleset.rules),
                "floors": sum(rule.floor for rule in ruleset.rules),
                "themes": len(ruleset.themes),
                "contexts": len(ruleset.contexts),
                "unknown_to_the_model": unknown,
            }
        )
        return
    click.echo(
        f"{len(ruleset.rules)} rules, {len(ruleset.themes)} themes, "
        f"{len(ruleset.contexts)} contexts; version {ruleset.version}"
    )
    if unknown:
        click.echo(
            f"{len(unknown)} of them the model does not know (they count only where they are a "
            f"floor, until it is trained again): {', '.join(unknown[:8])}"
        )


@command.command()
@_own
@click.option(
    "--labelled",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Labelled texts (JSONL): also tell each rule's hits and precision on them.",
)
@as_json
@click.pass_context
def test(
    context: click.Context, rules: str | None, labelled: tuple[Path, ...], as_json: bool
) -> None:
    """Run every example of every rule and theme; exit code 1 when one fails."""
    from services.classifier.rulebook import failing_examples, measured
    from services.classifier.training.dataset import examples_in

    classifier = _classifier(context, rules)
    failed = failing_examples(classifier.ruleset)
    texts = [example for path in labelled for example in examples_in(path)]
    found = measured(classifier.ruleset, texts) if texts else []
    if as_json:
        line({"failed": failed, "measured": found})
    else:
        for one in failed:
            click.echo(f"{one.rule}: {one.what}: {one.text}")
        for rule in found:
            click.echo(f"{rule.rule:44} {rule.severity:9} hits {rule.hits:5}  {rule.precision:.2f}")
        click.echo(f"{len(failed)} examples fail")
    if failed:
        sys.exit(1)


@command.command()
@click.argument("text")
@click.option("--language", help="BCP 47; detected when absent.")
@click.option("--channel", default="email", show_default=True)
@_own
@as_json
@click.pass_context
def explain(
    context: click.Context,
    text: str,
    language: str | None,
    channel: str,
    rules: str | None,
    as_json: bool,
) -> None:
    """Say which rules TEXT hits, where, and what voids the others."""
    from services.classifier.rulebook import told

    found = told(_classifier(context, rules), text, language, channel)
    if as_json:
        line(found)
        return
    for hit in found.hits:
        mark = "floor" if hit.floor else "hint"
        click.echo(f"{hit.rule}  {hit.severity} {mark}  “{hit.text}” at {hit.start}")
    for name, why in found.voided:
        click.echo(f"{name}  void: {why}")
    click.echo(f"themes: {', '.join(found.themes) or '-'}; language: {found.language or '?'}")


def _classifier(context: click.Context, rules: str | None) -> Classifier:
    from services.classifier.current import build

    settings = loaded(context, classifier__rules_dir=rules).config.classifier
    return build(settings.rules_dir, settings.model_file)
