"""App Store Connect's customer reviews, its tokens, and the public feed."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Ignored, Settings
from services.ingest.channels.providers import app_store, app_store_feed
from services.ingest.channels.rejection import Refusal, Rejected
from shared.errors import Misconfigured
from shared.events import Rating, TimeQuality

NOW = 1_772_442_000_000
SETTINGS = Settings(name="ios", options={"app_id": "682658836", "country": "jp"})


def _review(
    number: str = "0001", response: str | None = None, **given: object
) -> dict[str, object]:
    attributes: dict[str, object] = {
        "rating": 2,
        "title": "Ne marche plus",
        "body": "Impossible de me connecter depuis mardi.",
        "reviewerNickname": "zoe_77",
        "createdDate": "2026-03-01T08:10:34-08:00",
        "territory": "FRA",
    }
    data = {"type": "customerReviewResponses", "id": response} if response else None
    return {
        "type": "customerReviews",
        "id": number,
        "attributes": attributes | given,
        "relationships": {"response": {"data": data, "links": {}}},
    }


def _page(*data: object, **fields: object) -> bytes:
    return json.dumps({"data": list(data), "links": {"self": "x"}} | fields).encode()


def _one(review: object, **fields: object) -> Item:
    (item,) = app_store.read_page(_page(review, **fields), SETTINGS).delivery.items
    return item


def test_a_review() -> None:
    item = _one(_review())
    assert item.text == "Ne marche plus\n\nImpossible de me connecter depuis mardi."
    assert (item.occurred_at, item.time_quality) == (1_772_381_434_000, TimeQuality.EXACT)
    assert (item.author, item.display_name, item.country) == ("zoe_77", "zoe_77", "FR")
    assert item.rating == Rating(value=2)
    assert item.product is not None
    assert item.product.app_id == "682658836"


def test_an_edit_is_a_revision_and_our_response_is_none() -> None:
    response = {
        "type": "customerReviewResponses",
        "id": "r1",
        "attributes": {"responseBody": "Merci.", "lastModifiedDate": "2026-03-01T10:00:00-08:00"},
    }
    first = _one(_review())
    answered = _one(_review(response="r1"), included=[response, {"type": "apps"}, 3])
    edited = _one(_review(createdDate="2026-03-02T08:00:00-08:00", rating=5))
    silently = _one(_review(body="Réparé."))
    assert first.revision == answered.revision
    assert answered.attributes == {"replied_at": 1_772_388_000_000}
    assert len({first.revision, edited.revision, silently.revision}) == 3
    assert {first.native_id, answered.native_id, edited.native_id} == {"0001"}


def test_a_naive_time_is_taken_for_utc_and_marked() -> None:
    item = _one(_review(createdDate="2026-03-01T08:10:34"))
    assert item.time_quality is TimeQuality.ASSUMED_UTC


def test_stars_without_words() -> None:
    item = _one(_review(title=None, body=None, reviewerNickname="Anonymous", territory="??"))
    assert (item.text, item.title, item.author, item.country) == ("", None, None, None)


@pytest.mark.parametrize(
    ("next_url", "token"),
    [
        ("https://api.appstoreconnect.apple.com/v1/apps/1/customerReviews?cursor=AQ", True),
        ("https://api.appstoreconnect.apple.com.evil.example/v1/x", False),
        ("https://user@api.appstoreconnect.apple.com/v1/x", False),
        ("http://api.appstoreconnect.apple.com/v1/x", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_the_next_page_is_apples_or_none(next_url: str, token: bool) -> None:
    page = app_store.read_page(_page(links={"next": next_url}), SETTINGS)
    assert page.next_token == (next_url if token else None)


def test_a_bad_element_costs_only_itself() -> None:
    page = app_store.read_page(
        _page(_review(), {"type": "customerReviews"}, _review("0002", rating={})), SETTINGS
    )
    assert len(page.delivery.items) == 1
    assert [part.reason for part in page.delivery.unfit] == [
        Refusal.MISSING_FIELD,
        Refusal.BAD_VALUE,
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"data": {}}', b"{" * 100_000])
def test_no_page(body: bytes) -> None:
    with pytest.raises(Rejected):
        app_store.read_page(body, SETTINGS)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_a_token_lives_less_than_twenty_minutes_from_the_given_time() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token = app_store.token("2X9R4HXF34", "57246542", _pem(key), NOW)
    header = jwt.get_unverified_header(token)
    claims = json.loads(jwt.PyJWS().decode(token, key.public_key(), algorithms=["ES256"]))
    assert (header["alg"], header["kid"], header["typ"]) == ("ES256", "2X9R4HXF34", "JWT")
    assert (claims["iss"], claims["aud"]) == ("57246542", "appstoreconnect-v1")
    assert claims["iat"] == NOW // 1000
    assert 0 < claims["exp"] - claims["iat"] <= 1_200


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_key_that_is_none(pem: bytes) -> None:
    with pytest.raises(Misconfigured, match="P-256"):
        app_store.token("k", "i", pem, NOW)


def _entry(**fields: object) -> dict[str, object]:
    entry: dict[str, object] = {
        "author": {
            "uri": {"label": "https://itunes.apple.com/jp/reviews/id900000001"},
            "name": {"label": "はなこ"},
            "label": "",
        },
        "updated": {"label": "2026-03-01T20:17:03-07:00"},
        "im:version": {"label": "3.4.3"},
        "im:rating": {"label": "1"},
        "id": {"label": "9000000001"},
        "title": {"label": "起動しない"},
        "content": {"label": "更新してから落ちます。", "attributes": {"type": "text"}},
        "im:voteSum": {"label": "4"},
    }
    return entry | fields


def _feed(entry: object, page: int = 1, following: int = 2, last: int = 8) -> bytes:
    def href(number: int) -> str:
        return (
            f"https://itunes.apple.com/jp/rss/customerreviews/page={number}/id=1/xml?u=/page=1/json"
        )

    links = [
        {"attributes": {"rel": rel, "href": href(number)}}
        for rel, number in (("self", page), ("next", following), ("last", last))
    ]
    feed: dict[str, object] = {"author": {"name": {"label": "iTunes Store"}}, "link": links}
    if entry is not None:
        feed["entry"] = entry
    return json.dumps({"feed": feed}).encode()


def test_a_page_of_the_feed() -> None:
    app = {"im:name": {"label": "App"}, "id": {"label": "https://apps.apple.com/jp/app/id1"}}
    page = app_store_feed.read_page(_feed([app, _entry()]), SETTINGS)
    (item,) = page.delivery.items
    assert page.delivery.ignored == (Ignored.UNSUPPORTED,)
    assert page.next_token == "2"
    assert item.text == "起動しない\n\n更新してから落ちます。"
    assert (item.native_id, item.author, item.display_name) == ("9000000001", "900000001", "はなこ")
    assert item.rating == Rating(value=1)
    assert item.country == "JP"
    assert item.engagement is not None
    assert item.engagement.likes == 4
    assert item.occurred_at == 1_772_421_423_000


def test_a_single_review_is_an_object() -> None:
    page = app_store_feed.read_page(_feed(_entry(), following=1, last=1), SETTINGS)
    assert [item.native_id for item in page.delivery.items] == ["9000000001"]
    assert page.next_token is None


def test_an_edit_in_the_feed_is_a_revision_and_votes_are_none() -> None:
    def one(**fields: object) -> Item:
        return app_store_feed.read_page(_feed(_entry(**fields)), SETTINGS).delivery.items[0]

    assert one().revision == one(**{"im:voteSum": {"label": "9"}}).revision
    assert one().revision != one(content={"label": "直りました。"}).revision
    without_time = one(updated={})
    assert without_time.occurred_at is None


@pytest.mark.parametrize(
    ("entry", "page", "following", "last", "token"),
    [
        ([_entry()], 9, 10, 10, "10"),
        ([_entry()], 10, 11, 20, None),
        ([_entry()], 8, 8, 8, None),
        ([_entry()], 8, 1, 8, None),
        ([], 1, 2, 8, None),
        (None, 1, 2, 8, None),
    ],
)
def test_the_feed_ends(
    entry: object, page: int, following: int, last: int, token: str | None
) -> None:
    found = app_store_feed.read_page(_feed(entry, page, following, last), SETTINGS)
    assert found.next_token == token


def test_a_bad_entry_costs_only_itself() -> None:
    found = app_store_feed.read_page(_feed([_entry(), _entry(id={}), _entry(title=7), 5]), SETTINGS)
    assert len(found.delivery.items) == 1
    assert [part.reason for part in found.delivery.unfit] == [
        Refusal.MISSING_FIELD,
        Refusal.BAD_VALUE,
        Refusal.NOT_AN_OBJECT,
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"feed": []}', b"<feed/>"])
def test_no_feed(body: bytes) -> None:
    with pytest.raises(Rejected):
        app_store_feed.read_page(body, SETTINGS)
