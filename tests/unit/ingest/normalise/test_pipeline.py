"""An item as its provider stated it → as it may be written."""

from __future__ import annotations

import msgspec

from services.ingest.channels.item import Alias, Item
from services.ingest.channels.normalise import Normalised, limits, normalise
from services.ingest.channels.provider import Settings
from services.ingest.channels.text import MAX_TEXT
from shared.events import (
    Attachment,
    Authenticity,
    Call,
    Channel,
    LanguageSource,
    Product,
    Role,
    Turn,
)

ITEM = Item(native_id="n-1", channel=Channel.EMAIL, text="It broke.")


def normalised(item: Item = ITEM, region: str | None = None, **changes: object) -> Normalised:
    settings = Settings(name="inbox", region=region)
    return normalise(msgspec.structs.replace(item, **changes), settings)


def test_an_ordinary_item_stays_as_it_is() -> None:
    assert normalised().item == ITEM
    assert normalised().redacted == {}


def test_the_text_is_cleaned_mended_and_redacted() -> None:
    found = normalised(
        text="\x00 fu\u0308r FranÃ§ois:\r\nana@shop.example, 0171 1234567 ", region="DE"
    )
    assert found.item.text == "für François:\n[email], [phone]"
    assert found.redacted == {"email": 1, "phone": 1}
    assert not found.item.truncated


def test_a_national_number_needs_the_region_of_the_source() -> None:
    assert normalised(text="0171 1234567").item.text == "0171 1234567"
    assert normalised(text="0171 1234567", region="DE").item.text == "[phone]"


def test_a_text_that_is_too_long_is_cut_behind_the_redaction() -> None:
    text = "word " * (MAX_TEXT // 5 - 1)
    found = normalised(text=text + "ana@shop.example and more words to come")
    assert found.item.truncated
    assert len(found.item.text) <= MAX_TEXT
    assert "ana" not in found.item.text
    assert found.redacted == {"email": 1}
    assert normalised(found.item).item == found.item


def test_a_number_at_the_cut_is_not_left_in_half() -> None:
    for before in range(MAX_TEXT - 20, MAX_TEXT + 1):
        text = "x" * (before - 1) + " 4000001234560001 and so on"
        assert "400000" not in normalised(text=text).item.text


def test_item_truncated_before_stays_so() -> None:
    assert normalised(truncated=True).item.truncated


def test_every_free_text_is_redacted_and_counted() -> None:
    found = normalised(
        title="From ana@shop.example",
        display_name="Ana\nana@shop.example",
        attributes={"note": "ana@shop.example", "count": 3, "empty": " "},
        attachments=(
            Attachment(name="ana@shop.example.pdf", url="https://a:b@x.example/f?sig=abc"),
        ),
        url="https://x.example/?token=abc",
        turns=(Turn(speaker=Role.AGENT, text="ana@shop.example?"),),
    )
    assert found.item.title == "From [email]"
    assert found.item.display_name == "Ana [email]"
    assert found.item.attributes == {"note": "[email]", "count": 3, "empty": ""}
    assert found.item.attachments[0].name == "[email]"
    assert found.item.attachments[0].url == "https://[secret]@x.example/f?sig=abc"
    assert found.item.url == "https://x.example/?token=[secret]"
    assert found.item.turns == (Turn(speaker=Role.AGENT, text="[email]?"),)
    assert found.redacted == {"email": 5, "secret": 2}


def test_the_identity_is_left_to_the_pseudonym() -> None:
    aliases = (Alias("tel:+491711234567", verified=True),)
    found = normalised(author="ana@shop.example", aliases=aliases, original=b"ana@shop.example")
    assert found.item.author == "ana@shop.example"
    assert found.item.aliases == aliases
    assert found.item.original == b"ana@shop.example"


def test_links_to_files_keep_the_signature_that_opens_them() -> None:
    call = Call(call_id="c\n1", recording_url="https://k:s@x.example/r?token=abc")
    found = normalised(call=call).item.call
    assert found == Call(call_id="c 1", recording_url="https://[secret]@x.example/r?token=abc")
    assert normalised(call=Call(call_id="c1")).item.call == Call(call_id="c1")


def test_everything_is_bounded() -> None:
    long = "x" * 10_000
    found = normalised(
        native_id=long,
        thread_id=long,
        parent_id=long,
        title=long,
        display_name=long,
        handle=long,
        url="https://x.example/" + long,
        product=Product(order_ref=long),
        authenticity=Authenticity(method="hmac", dkim=long),
        attachments=(Attachment(name=long),) * 60,
        attributes={str(number): long for number in range(50)},
    ).item
    assert found.native_id == found.thread_id == found.parent_id
    assert found.native_id.startswith(limits.HASHED)
    assert len(found.title or "") == limits.MAX_TITLE
    assert len(found.display_name or "") == len(found.handle or "") == limits.MAX_NAME
    assert len(found.url or "") == limits.MAX_URL
    assert found.product == Product(order_ref="x" * limits.MAX_ID)
    assert found.authenticity == Authenticity(method="hmac", dkim="x" * limits.MAX_ID)
    assert len(found.attachments) == limits.MAX_ATTACHMENTS
    assert len(msgspec.json.encode(found)) < 40_000


def test_fields_of_nothing_become_none() -> None:
    found = normalised(thread_id=" ", parent_id="\x00", title="\n", handle="", url=" ").item
    assert (found.thread_id, found.parent_id, found.title) == (None, None, None)
    assert (found.handle, found.url) == (None, None)


def test_turns_share_the_room_of_a_text() -> None:
    turn = Turn(speaker=Role.CUSTOMER, text="word " * 4_000)
    found = normalised(turns=(turn,) * 3).item
    assert sum(len(turn.text) for turn in found.turns) <= MAX_TEXT
    assert len(found.turns) == 2
    assert found.truncated
    many = normalised(turns=(Turn(speaker=Role.CUSTOMER, text="a"),) * 2_001).item
    assert len(many.turns) == limits.MAX_TURNS
    assert many.truncated


def test_the_language_of_the_platform_or_of_the_text() -> None:
    stated = normalised(language="pt_br")
    assert (stated.language, stated.language_source) == ("pt-BR", LanguageSource.PROVIDER)
    text = "Das Paket kam nie an, und niemand antwortet mir."
    found = normalised(text=text)
    assert (found.language, found.language_source) == ("de", LanguageSource.DETECTED)
    assert found.language_confidence is not None
    nothing = normalised(text="", language="de")
    assert (nothing.language, nothing.language_source) == (None, None)
