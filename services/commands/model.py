"""``tocsin model``: train, evaluate, compare and describe the classifier's model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.classifier.severity import Classifier

_data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of public labelled texts; default: beside the checkout.",
)
_held_out = click.option(
    "--held-out",
    "held_out",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Labelled texts (JSONL) to measure on, beside the development set.",
)
_model = click.option(
    "--model", "model", metavar="FILE", help="A model file; default: the packaged one."
)


@click.group()
def command() -> None:
    """Train, evaluate, compare and describe the model. Training needs `tocsin[training]`."""


@command.command()
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@_data
@click.option(
    "--corrections",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Corrections by people, as `tocsin corrections export` writes them.",
)
@click.option("--seed", default=7, show_default=True)
@as_json
@click.pass_context
def train(
    context: click.Context,
    out: Path,
    data: Path | None,
    corrections: tuple[Path, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Train a model on all labelled texts and write it to a file. The same input, the same bytes."""
    from rich.progress import Progress

    from services.classifier.training import dataset
    from services.classifier.training.calibrate import Weighing
    from services.classifier.training.fit import Recipe
    from services.classifier.training.train import STEPS, train
    from shared.files import write

    ruleset = _classifier(context, "none").ruleset
    found = dataset.training(data or dataset.DATA, corrections)
    with Progress(disable=as_json or not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(f"{len(found.examples):,} texts", total=STEPS)
        content = train(
            found,
            ruleset,
            Recipe(seed=seed),
            Weighing(),
            lambda step: progress.update(task, advance=1, description=step),
        )
    write(content, out)
    if as_json:
        line({"file": str(out), "bytes": len(content), "texts": len(found.examples)})
    else:
        click.echo(f"{out}: {len(content):,} bytes, trained on {len(found.examples):,} texts")


@command.command("eval")
@_model
@_data
@_held_out
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the whole evaluation (ablation, learning curve, slices) as Markdown; takes minutes.",
)
@as_json
@click.pass_context
def evaluate(
    context: click.Context,
    model: str | None,
    data: Path | None,
    held_out: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure a model on texts that it was not trained on."""
    from services.classifier.training.dataset import held_out_sets
    from services.classifier.training.evaluate import outcomes, quality, slices
    from services.classifier.training.report import report as written

    classifier = _classifier(context, model)
    sets = held_out_sets(data, held_out)
    if report is not None:
        from services.classifier.training.evaluation import evaluation

        report.write_text(written(evaluation(classifier, sets, data)), "utf-8")
        click.echo(f"wrote {report}")
        return
    for name, examples in sets.items():
        found = outcomes(classifier, examples)
        whole = quality(found)
        if as_json:
            line({"set": name, "quality": whole, "slices": slices(found)})
            continue
        click.echo(
            f"{name}: {whole.texts} texts, macro-F1 {whole.macro_f1:.3f}, within an acceptable label "
            f"{whole.within:.3f}, escalation recall {whole.recall or 0:.3f} at precision "
            f"{whole.precision or 0:.3f}, critical recall {whole.critical_recall or 0:.3f}, "
            f"critical called low {whole.critical_low}, ECE {whole.ece:.3f}"
        )


@command.command()
@click.argument("candidate")
@_model
@_data
@_held_out
@as_json
@click.pass_context
def compare(
    context: click.Context,
    candidate: str,
    model: str | None,
    data: Path | None,
    held_out: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Tell whether CANDIDATE may replace the model: better, and worse in no slice (exit code 1: no)."""
    from services.classifier.training.compare import compared
    from services.classifier.training.dataset import held_out_sets
    from services.classifier.training.evaluate import outcomes

    examples = [one for some in held_out_sets(data, held_out).values() for one in some]
    found = compared(
        outcomes(_classifier(context, model), examples),
        outcomes(_classifier(context, candidate), examples),
    )
    if as_json:
        line({"better": found.better, "comparison": found})
    else:
        for name, one in (("in use", found.before), ("candidate", found.after)):
            click.echo(f"{name}: macro-F1 {one.macro_f1:.3f}, within {one.within:.3f}")
        click.echo("better" if found.better else "; ".join(found.objections))
    if not found.better:
        sys.exit(1)


@command.command()
@_model
@_data
@_held_out
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it here.")
@as_json
@click.pass_context
def card(
    context: click.Context,
    model: str | None,
    data: Path | None,
    held_out: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Print the model's card: what it is, what it was trained on, how good it is, its limits."""
    from services.classifier.training.dataset import held_out_sets
    from services.classifier.training.evaluate import outcomes
    from services.classifier.training.report import card as written
    from shared.errors import Misconfigured

    classifier = _classifier(context, model)
    if classifier.model is None:
        raise Misconfigured("--model none: there is no model to describe")
    if as_json:
        line({"version": classifier.model_version, "manifest": classifier.model.manifest})
        return
    sets = {
        name: outcomes(classifier, some) for name, some in held_out_sets(data, held_out).items()
    }
    text = written(classifier.model_version, classifier.model.manifest, sets)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text, "utf-8")
        click.echo(f"wrote {out}")


@command.command("train-encoder")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@_data
@as_json
@click.pass_context
def train_encoder(context: click.Context, out: Path, data: Path | None, as_json: bool) -> None:
    """Train the layer of the second opinion; needs `tocsin[semantic]` too, and takes minutes."""
    from rich.progress import Progress

    from services.classifier.second.head import Head
    from services.classifier.training import dataset, encoder
    from shared.files import write

    ruleset = _classifier(context, "none").ruleset
    found = dataset.training(data or dataset.DATA)
    with Progress(disable=as_json or not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("vectors", total=encoder.STEPS)
        content = encoder.train(
            found,
            ruleset,
            encoder.Recipe(),
            lambda step: progress.update(task, advance=1, description=step),
        )
    write(content, out)
    about = Head(content).about
    if as_json:
        line(
            {"file": str(out), "bytes": len(content), "texts": about.texts, "weight": about.weight}
        )
    else:
        click.echo(
            f"{out}: {len(content):,} bytes, trained on {about.texts:,} texts, weight "
            f"{about.weight:.2f} in a blend"
        )


def _classifier(context: click.Context, model: str | None) -> Classifier:
    from services.classifier.current import build

    settings = loaded(context, classifier__model_file=model).config.classifier
    return build(settings.rules_dir, settings.model_file)
