"""Whatever a text looks like: redaction is idempotent and bounded, and lets nothing valid through."""

from __future__ import annotations

import re
import time

import msgspec
import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.channels.item import Item
from services.ingest.channels.normalise import limits, normalise
from services.ingest.channels.normalise.near import fingerprint
from services.ingest.channels.normalise.redact import redact, redact_url
from services.ingest.channels.provider import Settings
from services.ingest.channels.text import MAX_TEXT, clean
from shared.events import Channel, Role, Turn

SIZE = 100_000
BOMBS = (
    "0", "1 ", "1-", "(1) ", "+1", "+49 171 1234567 ", "0171 1234567 ", "1.2.3.4 ", "1.1.1.1.", "a@",
    "@", "a@a.", "a@b.co ", "x" * 64 + "@", "a.", ":", "::", "a:", "1:", "DE", "DE12", "DE12 ",
    "A1 ", "AB12 34 ", "12345678Z ", "123456-", "Bearer ", "Bearer a", "password:", "password: x ",
    "password is ", "my password is a1 ", "eyJ", "eyJaaaaaaaa.", "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ", "://", "://a:b@", "?token=", "?token=a&", "[", "[email]",
    "[at]", "a[at]", "a(at)b(dot)", "48217395B4000000001123456", "4 ", "40 ", "Ã\x85¼",
    "4000 0012 3456 0001 ", "2024-05-06 ", "https://a.b/", "sk-", "sk-" + "a" * 19 + ".", "%40",
    "a%40b.",
    "Ã¼", "â€™", "\u0301", "tel 1234567 ", "order 1234567 ", "٠", "🥶", "\ufffd", "aA1_-. ", " ",
)  # fmt: skip
FRAGMENTS = (
    "0171", "1234567", "+49", "+1", "(202)", "555-0143", "4000001234560001", "4000 0012 3456 0001",
    "DE12500105170648489890", "a@b.example", "@", "[phone]", "[", "]", "tel", "tel:", "order ", "#",
    " ", " ", "-", ".", "/", ":", "=", "password", "PIN", "://", "?token=", "&", "192.168.178.21",
    "2341 2341 0008", "48217395B", "390.533.440-20", "2024-05-06", "1.234.567", "€", "cpf", "bsn",
    "111220002", "x", "é", "\n", "٠٥٠", "ab12", "eyJ", "Bearer ", "v", "12",
)  # fmt: skip
REGIONS = (None, "DE", "US", "IN", "NL", "FR", "BR")

hostile = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)
texts = st.text() | hostile


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_flood_takes_bounded_time(bomb: str) -> None:
    flood = (bomb * (SIZE // len(bomb) + 1))[:SIZE]
    started = time.perf_counter()
    redact(flood, "DE")
    assert time.perf_counter() - started < 3.0


@given(texts, st.sampled_from(REGIONS))
@example("order 123 4567 4000001234560001 0171 1234567", "DE")
@example("tel 4000001234560001 1234567", None)
@example("2341 2341 0008 4000 0012 3456 0001", "IN")
@example("password:PIN:x", None)
def test_redacting_twice_changes_nothing(text: str, region: str | None) -> None:
    once = redact(text, region)
    again = redact(once.text, region)
    assert again.text == once.text
    assert again.counts == {}
    assert sum(once.counts.values()) <= len(text)


@given(texts, st.sampled_from(REGIONS))
def test_what_is_not_counted_is_not_changed(text: str, region: str | None) -> None:
    redacted = redact(text, region)
    assert bool(redacted.counts) == (redacted.text != text)


@given(hostile)
def test_no_card_and_no_address_is_left(text: str) -> None:
    text = f"{text} ann@shop.example {text} 4000001234560001 {text}"
    left = redact(text, None).text
    assert "ann@shop.example" not in left
    assert not re.search(r"(?<!\d)4000001234560001(?!\d)", left)


@pytest.mark.parametrize("kind", [0, 1], ids=["fixed", "mobile"])
def test_example_numbers_of_all_countries_are_found(kind: int) -> None:
    formats = phonenumbers.PhoneNumberFormat
    found = {formats.INTERNATIONAL: 0, formats.NATIONAL: 0}
    regions = [
        (region, number)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    for form in found:
        for region, number in regions:
            text = phonenumbers.format_number(number, form)
            found[form] += redact(f"my phone: {text}", region).text == "my phone: [phone]"
    assert len(regions) > 200
    assert found[formats.INTERNATIONAL] == len(regions)
    # Left are those of four digits (Niue, Tokelau, Tristan da Cunha: any year looks like one) and of
    # New Caledonia, which writes them as dates are written ("20.12.34").
    assert found[formats.NATIONAL] >= 0.97 * len(regions)


@given(texts)
def test_a_fingerprint_does_not_depend_on_case_and_punctuation(text: str) -> None:
    text = clean(text)[0]
    first = fingerprint(text)
    assert first == fingerprint(text)
    if first is not None and text.isascii() and "[" not in text:  # placeholders are lower case
        again = fingerprint(text.upper())
        assert again is not None
        assert again.exact == first.exact


items = st.builds(
    Item,
    native_id=st.text(min_size=1) | st.just("n" * 600),
    channel=st.sampled_from(Channel),
    text=texts | st.just("word " * 8_000),
    thread_id=st.none() | st.text(),
    title=st.none() | hostile,
    display_name=st.none() | hostile,
    language=st.none() | st.text(max_size=12) | st.sampled_from(["english", "iw", "pt_br", "und"]),
    attributes=st.dictionaries(st.text(max_size=30), st.integers() | hostile, max_size=40),
    turns=st.lists(st.builds(Turn, speaker=st.sampled_from(Role), text=texts), max_size=5).map(
        tuple
    ),
)


@given(items)
def test_any_item_can_be_normalised_and_stays_so(item: Item) -> None:
    settings = Settings(name="s", region="DE")
    once = normalise(item, settings)
    again = normalise(once.item, settings)
    assert again.item == once.item
    assert again.redacted == {}
    assert len(once.item.native_id) <= limits.MAX_ID
    assert len(once.item.text) <= MAX_TEXT
    assert len(once.item.attributes) <= limits.MAX_ATTRIBUTES
    msgspec.json.encode(once.item)


def test_urls_lose_their_secrets_only() -> None:
    redacted = redact_url("https://ann:pw@shop.example/a?token=abc&lang=en#x")
    assert redacted.text == "https://[secret]@shop.example/a?token=[secret]&lang=en#x"
    assert redacted.counts == {"secret": 2}
