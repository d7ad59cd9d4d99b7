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
    from services.ingest.channels.rejection import Rejected
    from shared.config import Config
    from shared.events import FeedbackReceived

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
    from services.ingest.channels.rejection import Rejected

    parsed = [_parse(raw, settings) for raw in batch]
    good = [item for item in parsed if not isinstance(item, Rejected)]
    found = iter(classifier.classify_many(good))
    for item in parsed:
        if isinstance(item, Rejected):
            yield {"id": None, "error": item.reason, "detail": item.detail}
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


def _parse(raw: bytes, settings: Config) -> FeedbackReceived | Rejected:
    from services.ingest.channels.build import build
    from services.ingest.channels.generic import parse
    from services.ingest.channels.rejection import Rejected

    try:
        item = parse(raw)
    except Rejected as refused:
        return refused
    secret = settings.privacy.pseudonym_key.encode()
    return build(
        item, tenant=settings.tenant, source=item.source or item.channel, secret=secret, now=0
    )
