"""``tocsin classify``: JSONL in, JSONL out, in the same order; no Kafka."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from services.commands.common import line, loaded

if TYPE_CHECKING:
    from services.classifier.severity import Classifier
    from services.ingest.prepare import Prepared
    from shared.config import Config

BATCH = 256


@click.command()
@click.option("--explain", is_flag=True, help="Say why: terms, rules, what would have changed it.")
@click.option(
    "--model", "model", metavar="FILE", help="A model file, or `none` for the rules alone."
)
@click.option(
    "--rules",
    "rules",
    metavar="DIR",
    help="Rule files that replace the packaged ones of the same name, or are added.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Output is JSONL always; accepted for symmetry."
)
@click.pass_context
def command(
    context: click.Context,
    explain: bool,
    model: str | None,
    rules: str | None,
    as_json: bool,  # noqa: ARG001
) -> None:
    """Classify items from standard input.

    Each line answers the input line of the same number: id, severity, kind, confidence, reasons and
    more, or id and error. Exit code 1 when a line had an error.
    """
    from services.classifier.current import build

    settings = loaded(context, classifier__model_file=model, classifier__rules_dir=rules).config
    classifier = build(settings.classifier.rules_dir, settings.classifier.model_file)
    bad = False
    source = (raw for raw in sys.stdin.buffer if raw.strip())
    while batch := list(islice(source, BATCH)):
        for answer in _answers(classifier, batch, settings, explain=explain):
            bad = bad or "error" in answer
            line(answer)
    if bad:
        sys.exit(1)


def _answers(
    classifier: Classifier, batch: Sequence[bytes], settings: Config, *, explain: bool
) -> Iterator[dict[str, object]]:
    from services.classifier.severity.explain import explain as explained

    prepared = _prepared(batch, settings)
    good = [item.event for item in prepared if item.event is not None]
    found = iter([] if explain else classifier.classify_many(good))
    for item in prepared:
        if item.event is None:
            rejected = item.rejected
            assert rejected is not None  # noqa: S101  it is one or the other
            yield {"id": None, "error": rejected.reason, "detail": rejected.detail}
            continue
        why = explained(classifier, item.event) if explain else None
        result = next(found) if why is None else why.classification
        answer: dict[str, object] = {
            "id": item.native_id,
            "severity": result.severity,
            "kind": result.kind,
            "confidence": round(result.confidence, 3),
            "reasons": result.reasons,
            "themes": result.themes,
            "sentiment": result.sentiment,
            "issues": result.issues,
            "language": result.language,
            "evidence": result.evidence,
        }
        if why is not None:
            answer |= {
                "probabilities": dict(zip(_RANKS, result.probabilities, strict=False)),
                "terms": [(one.term, one.weight) for one in why.terms],
                "features": [(one.term, one.weight) for one in why.features],
                "floors": why.floors,
                "voided": why.voided,
                "changes": why.changes,
                "known_words": why.known,
                "model": result.model_version,
                "rules": result.rules_version,
            }
        yield answer


_RANKS = ("low", "medium", "high", "critical")


def _prepared(batch: Sequence[bytes], settings: Config) -> list[Prepared]:
    """Return what intake would write for each line: redacted, as the classifier sees it there."""
    from services.ingest.prepare import Door, Preparer, Raw
    from shared.clock import SystemClock
    from shared.topics import Names

    secret = settings.privacy.pseudonym_key.encode()
    preparer = Preparer(settings.tenant, secret, Names(), SystemClock())
    return [preparer.prepare(Raw(raw), Door()) for raw in batch]
