"""What is taken out of a text and what stays: precision and recall on made-up texts."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize("between", [" ", " / ", ", ", "x", "-", "/"])
@pytest.mark.parametrize("other", ["0171 1234567", "DE12500105170648489890", "ref-12", "+49", "1"])
def test_a_card_is_found_whatever_stands_beside_it(other: str, between: str) -> None:
    text = f"{other}{between}4000001234560001"
    if not text.startswith("+494"):
        assert "4000001234560001" not in redact(text, "DE").text


def test_a_flood_of_numbers_hides_no_card_and_leaves_no_number() -> None:
    text = "0171 1234567, " * 2_000 + "4000 0012 3456 0001 0171 1234567"
    redacted = redact(text, "DE")
    assert redacted.text == "[phone], " * 2_000 + "[card] [phone]"
    assert redacted.counts == {"phone": 2_001, "card": 1}


def test_a_flood_of_single_digits_is_taken_out_after_a_while() -> None:
    text = "1.1." * 5_000
    assert len(redact(text, None).text) < 3_000


def test_what_was_hidden_by_a_number_is_found_too() -> None:
    assert redact("48217395B4000000001123456").text == "[national_id][card]"


def test_urls_lose_user_password_and_tokens() -> None:
    url = "https://bob:hunter2@x.example/a?lang=en&access_token=abc#top"
    assert redact_url(url) == Redacted(
        "https://[secret]@x.example/a?lang=en&access_token=[secret]#top", {"secret": 2}
    )
    assert redact_url(url, query=False).counts == {"secret": 1}
    assert redact_url("https://x.example/?q=1") == Redacted("https://x.example/?q=1")


def test_there_are_samples_enough() -> None:
    assert len(POSITIVES) >= 120
    assert len(NEGATIVES) >= 60
