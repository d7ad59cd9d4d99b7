"""What is taken out of a text and what stays: precision and recall on made-up texts."""

from __future__ import annotations

import re
import time

import pytest

from services.ingest.channels.normalise.redact import Redacted, redact, redact_url
from tests.unit.ingest.normalise.samples import NEGATIVES, POSITIVES

_MARKED = re.compile("⟦.*?⟧", re.DOTALL)


@pytest.mark.parametrize(("kind", "region", "marked"), POSITIVES)
def test_personal_data_is_replaced_by_its_kind(kind: str, region: str | None, marked: str) -> None:
    redacted = redact(marked.replace("⟦", "").replace("⟧", ""), region)
    assert redacted.text == _MARKED.sub(f"[{kind}]", marked)
    assert redacted.counts == {kind: 1}
    assert redact(redacted.text, region).counts == {}


@pytest.mark.parametrize(("region", "text"), NEGATIVES)
def test_other_numbers_stay(region: str | None, text: str) -> None:
    assert redact(text, region) == Redacted(text)


def test_there_are_samples_enough() -> None:
    assert len(POSITIVES) >= 120
    assert len(NEGATIVES) >= 60
