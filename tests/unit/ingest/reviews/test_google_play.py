"""Google Play's ``reviews.list``."""

from __future__ import annotations

import json

import pytest

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Ignored, Settings
from services.ingest.channels.providers.google_play import PROVIDER, read_page
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Engagement, Flag, Rating, TimeQuality

SETTINGS = Settings(name="play", options={"package": "com.example.app"})


def _user(**fields: object) -> dict[str, object]:
    comment: dict[str, object] = {
        "text": "Stürzt ab\tSeit dem Update startet nichts mehr.",
        "lastModified": {"seconds": "1772400000", "nanos": 123000000},
        "starRating": 1,
    }
    return {"userComment": comment | fields}


def _reply(seconds: str) -> dict[str, object]:
    return {"developerComment": {"text": "Danke.", "lastModified": {"seconds": seconds}}}


def _review(*comments: object, **fields: object) -> dict[str, object]:
    return {"reviewId": "gp:1", "authorName": "Uwe K.", "comments": list(comments)} | fields


def _page(*reviews: object, **fields: object) -> bytes:
    return json.dumps({"reviews": list(reviews)} | fields).encode()


def _one(*comments: object, **fields: object) -> Item:
    (item,) = read_page(_page(_review(*comments, **fields)), SETTINGS).delivery.items
    return item


def test_title_and_body_are_separated_by_a_tab() -> None:
    item = _one(_user(appVersionName="7.1", thumbsUpCount=3, androidOsVersion=34, device="klte"))
    assert item.title == "Stürzt ab"
    assert item.text == "Stürzt ab\n\nSeit dem Update startet nichts mehr."
    assert item.rating == Rating(value=1)
    assert (item.occurred_at, item.time_quality) == (1_772_400_000_123, TimeQuality.EXACT)
    assert item.revision == "1772400000.123000000"
    assert item.engagement == Engagement(likes=3)
    assert item.product is not None
    assert (item.product.app_id, item.product.version) == ("com.example.app", "7.1")
    assert item.attributes == {"device": "klte", "android_sdk": 34}
    assert item.author is None
    assert item.display_name == "Uwe K."


@pytest.mark.parametrize(
    ("text", "title", "whole"),
    [
        ("\tOnly body", None, "Only body"),
        ("plain", None, "plain"),
        ("T\t", "T", "T"),
        ("", None, ""),
    ],
)
def test_tabs(text: str, title: str | None, whole: str) -> None:
    item = _one(_user(text=text))
    assert (item.title, item.text) == (title, whole)


def test_the_original_of_a_translation_is_classified() -> None:
    item = _one(_user(text="Bad\tCrashes", originalText="Mal\tSe cierra", reviewerLanguage="en"))
    assert item.text == "Mal\n\nSe cierra"
    assert item.flags == (Flag.TRANSLATED,)
    assert item.language is None  # the device's, not the text's
    assert item.attributes["device_language"] == "en"


def test_an_edit_is_a_revision_and_our_answer_is_none() -> None:
    first = _one(_user())
    answered = _one(_user(), _reply("1772410000"))
    edited = _one(_user(lastModified={"seconds": "1772420000"}, starRating=4), _reply("1772410000"))
    assert first.native_id == answered.native_id == edited.native_id
    assert first.revision == answered.revision != edited.revision
    assert answered.attributes["replied_at"] == 1_772_410_000_000
    assert "replied_at" not in edited.attributes  # it answered the earlier words


def test_nobody_in_particular() -> None:
    assert _one(_user(), authorName="A Google user").display_name is None


def test_a_bad_element_costs_only_itself() -> None:
    page = read_page(
        _page(
            _review(_user()),
            _review(_user(), reviewId=None),
            "x",
            _review(),
            _review(_reply("1772410000"), reviewId="gp:4"),
            _review(_user(starRating="3", lastModified=None), reviewId="gp:5"),
            tokenPagination={"nextPageToken": "abc"},
        ),
        SETTINGS,
    )
    assert [item.native_id for item in page.delivery.items] == ["gp:1", "gp:5"]
    assert [part.reason for part in page.delivery.unfit] == [
        Refusal.MISSING_FIELD,
        Refusal.NOT_AN_OBJECT,
    ]
    assert page.delivery.ignored == (Ignored.UNSUPPORTED, Ignored.OWN)
    assert page.next_token == "abc"
    assert page.delivery.items[1].occurred_at is None


def test_an_empty_page_is_the_last() -> None:
    page = read_page(b"{}", SETTINGS)
    assert (page.delivery.items, page.next_token) == ((), None)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"reviews": 1}'])
def test_no_page(body: bytes) -> None:
    with pytest.raises(Rejected):
        read_page(body, SETTINGS)


def test_what_the_platform_allows() -> None:
    allowed = PROVIDER.capability
    assert PROVIDER.pull
    assert (allowed.history_s, allowed.reply_max_chars) == (604_800, 350)
    assert (allowed.replies_per_item, allowed.reply_edit_allowed, allowed.public) == (1, True, True)
