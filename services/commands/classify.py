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
@click.option(
    "--json", "as_json", is_flag=True, help="Output is JSONL always; accepted for symmetry."
)
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:  # noqa: ARG001
    """Classify items from standard input.

    Each line answers the input line of the same number: id, severity, kind, confidence, reasons and
    evidence, or id and error. Exit code 1 when a line had an error.
    """
    from services.classifier.severity import Classifier

    settings = loaded(context).config
    classifier = Classifier.bundled()
    bad = False
    source = (raw for raw in sys.stdin.buffer if raw.strip())
    while batch := list(islice(source, BATCH)):
        for answer in _answers(classifier, batch, settings):
            bad = bad or "error" in answer
            line(answer)
    if bad:
        sys.exit(1)


def _answers(
    classifier: Classifier, batch: Sequence[bytes], settings: Config
) -> Iterator[dict[str, object]]:
    prepared = _prepared(batch, settings)
    good = [item.event for item in prepared if item.event is not None]
    found = iter(classifier.classify_many(good))
    for item in prepared:
        if item.rejected is not None:
            yield {"id": None, "error": item.rejected.reason, "detail": item.rejected.detail}
            continue
        result = next(found)
        yield {
            "id": item.native_id,
            "severity": result.severity,
            "kind": result.kind,
            "confidence": round(result.confidence, 3),
            "reasons": result.reasons,
            "evidence": result.evidence,
        }


def _prepared(batch: Sequence[bytes], settings: Config) -> list[Prepared]:
    """Return what intake would write for each line: redacted, as the classifier sees it there."""
    from services.ingest.prepare import Door, Preparer, Raw
    from shared.clock import SystemClock
    from shared.topics import Names

    secret = settings.privacy.pseudonym_key.encode()
    preparer = Preparer(settings.tenant, secret, Names(), SystemClock())
    return [preparer.prepare(Raw(raw), Door()) for raw in batch]
