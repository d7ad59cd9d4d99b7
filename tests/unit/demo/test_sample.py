"""The bundled sample: enough, varied, with the faults it is meant to show; how the rules do on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from deploy.demo.items import lines
from services.classifier.severity import Classifier
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import Door, Preparer, Raw
from shared.clock import ManualClock
from shared.events import FeedbackReceived, Severity
from shared.topics import Names

URGENT = {Severity.CRITICAL, Severity.HIGH}


class Label(msgspec.Struct):
    """What a person says about one item of the sample."""

    id: str
    severity: Severity
    kind: str
    reasons: list[str]
    alt: Severity | None = None


def sample() -> tuple[list[FeedbackReceived], list[Rejected]]:
    """Return the sample's items, re-deliveries included, and the refused lines."""
    preparer = Preparer("t", b"k", Names(), ManualClock())
    prepared = [preparer.prepare(Raw(raw), Door()) for raw in lines(None)]
    return (
        [item.event for item in prepared if item.event is not None],
        [item.rejected for item in prepared if item.rejected is not None],
    )


def labels() -> dict[str, Label]:
    """Return the labels by native id."""
    raw = (Path(__file__).parent / "sample_labels.jsonl").read_bytes()
    found = (msgspec.json.decode(line, type=Label) for line in raw.splitlines())
    return {label.id: label for label in found}


def test_it_is_large_and_varied() -> None:
    good, _ = sample()
    distinct = {item.feedback_id: item for item in good}.values()
    assert len(distinct) >= 200
    assert min(Counter(item.channel for item in distinct).values()) >= 40
    assert len({item.language for item in distinct if item.language}) >= 10
    assert sum(item.thread_id is not None for item in distinct) >= 20


def test_it_holds_duplicates_and_bad_lines_on_purpose() -> None:
    good, bad = sample()
    assert len(good) - len({item.feedback_id for item in good}) == 8
    assert Counter(refused.reason.value for refused in bad) == {
        "bad_json": 1, "bad_value": 2, "empty_text": 1, "unknown_field": 1,
    }  # fmt: skip


def test_every_distinct_item_has_a_label() -> None:
    assert {item.native_id for item in sample()[0]} == labels().keys()


def test_the_rules_find_most_of_what_is_urgent_in_it() -> None:
    """The floor is what rules alone reach today; a change that drops below it is a regression."""
    wanted = labels()
    distinct = list({item.feedback_id: item for item in sample()[0]}.values())
    found = Classifier.bundled().classify_many(distinct)
    pairs = [
        (wanted[item.native_id], got.severity) for item, got in zip(distinct, found, strict=True)
    ]
    urgent = [(label, got) for label, got in pairs if label.severity in URGENT]
    caught = sum(got in URGENT for _, got in urgent)
    within = sum(got in {label.severity, label.alt} for label, got in pairs)
    assert caught / len(urgent) >= 0.6, f"{caught} of {len(urgent)}"
    assert within / len(pairs) >= 0.6, f"{within} of {len(pairs)}"
