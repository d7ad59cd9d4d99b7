from __future__ import annotations

import json
from typing import Any

import pytest

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Ignored, Settings
from services.ingest.channels.providers.mastodon import PROVIDER, read_event
from services.ingest.channels.rejection import Rejected
from shared.events import Engagement, Flag, Medium, Operation, Origin, Role

ALL = Settings(name="m", options={"handles": "@acme@social.example"})
SOME = Settings(name="m", options={"handles": "acme@social.example", "keywords": "acme"})
ADA = {
    "id": "77",
    "acct": "ada@other.example",
    "url": "https://other.example/@ada",
    "display_name": "Ada 🦊",
    "bot": False,
    "followers_count": 182,
}
ACME = {"id": "1", "acct": "acme", "url": "https://social.example/@acme", "bot": False}


def _status(**given: Any) -> dict[str, Any]:
    return {
        "id": "1089143",
        "uri": "https://other.example/users/ada/statuses/5",
        "url": "https://other.example/@ada/5",
        "created_at": "2026-06-16T09:00:00.000Z",
        "edited_at": None,
        "content": "<p>Le colis d’Acme &amp; Co<br>est vide</p>",
        "spoiler_text": "",
        "visibility": "public",
        "language": "fr",
        "in_reply_to_id": None,
        "reblog": None,
        "account": ADA,
        "mentions": [],
        "media_attachments": [],
        "favourites_count": 4,
        "reblogs_count": 2,
        "replies_count": 1,
        **given,
    }


def _read(event: str, data: object, settings: Settings = ALL) -> Delivery:
    return read_event(event, json.dumps(data).encode(), settings)


def _one(event: str, data: object, settings: Settings = ALL) -> Item:
    (item,) = _read(event, data, settings).items
    return item


def test_a_status() -> None:
    item = _one("update", _status())
    assert item.native_id == "1089143"
    assert item.text == "Le colis d’Acme & Co\nest vide"
    assert (item.author, item.handle, item.display_name) == ("77", "ada@other.example", "Ada 🦊")
    assert (item.language, item.occurred_at) == ("fr", 1_781_600_400_000)
    assert (item.medium, item.op, item.flags) == (Medium.POST, Operation.CREATE, ())
    assert item.engagement == Engagement(likes=4, reposts=2, replies=1, followers=182)
    assert item.url == "https://other.example/@ada/5"
    assert item.attributes == {"uri": "https://other.example/users/ada/statuses/5"}


def test_the_same_status_from_two_streams_is_one_revision() -> None:
    item = _one("update", _status())
    again = _one("notification", {"type": "mention", "status": _status(favourites_count=99)})
    assert (again.native_id, again.revision, again.text) == (
        item.native_id,
        item.revision,
        item.text,
    )


def test_an_edit_is_another_revision_and_a_deletion_finds_both() -> None:
    item = _one("update", _status())
    edit = _one("status.update", _status(content="<p>fixed</p>", edited_at="2026-06-16T09:05:00Z"))
    assert (edit.op, edit.native_id) == (Operation.UPDATE, item.native_id)
    assert (item.revision, edit.revision) == ("1781600400000", "1781600700000")
    assert edit.edited_at == 1_781_600_700_000
    for data in (b"1089143", b'"1089143"', b" 1089143\n"):
        (gone,) = read_event("delete", data, ALL).items
        assert (gone.op, gone.native_id, gone.text) == (Operation.DELETE, item.native_id, "")


@pytest.mark.parametrize(
    ("visibility", "medium", "private"),
    [
        ("public", Medium.POST, False),
        ("unlisted", Medium.POST, False),
        ("private", Medium.POST, True),
        ("direct", Medium.DIRECT_MESSAGE, True),
    ],
)
def test_what_is_not_public_is_marked(visibility: str, medium: Medium, private: bool) -> None:
    item = _one("update", _status(visibility=visibility))
    assert item.medium is medium
    assert (Flag.PRIVATE in item.flags) is private


def test_a_warning_is_a_title() -> None:
    item = _one("update", _status(spoiler_text="Verletzung"))
    assert item.title == "Verletzung"
    assert item.text.startswith("Verletzung\n\nLe colis")


def test_an_answer_with_a_film() -> None:
    media = [{"type": "gifv", "url": "https://cdn.example/1.mp4", "description": "smoke"}]
    item = _one("update", _status(in_reply_to_id=5, media_attachments=media))
    assert (item.medium, item.parent_id, item.thread_id) == (Medium.COMMENT, "5", "5")
    assert item.attachments[0].media_type == "video/*"


def test_who_is_on_our_side() -> None:
    own = _one("update", _status(account=ACME))
    assert (own.role, own.origin, own.handle) == (
        Role.AGENT,
        Origin.OWN_ECHO,
        "acme@social.example",
    )
    bot = _one("update", _status(account=ADA | {"bot": True}))
    assert (bot.role, bot.origin) == (Role.BOT, Origin.AUTO_GENERATED)
    stranger = ACME | {"url": "https://elsewhere.example/@acme"}
    assert _one("update", _status(account=stranger)).role is Role.CUSTOMER
    broken = ACME | {"url": "https://[broken"}
    assert _one("update", _status(account=broken)).role is Role.CUSTOMER


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (_status(), True),
        (_status(content="<p>something else</p>"), False),
        (_status(content="<p>x</p>", spoiler_text="ACME again"), True),
        (_status(content="<p>x</p>", mentions=[ACME]), True),
        (_status(content="<p>x</p>", account=ACME), True),
        (_status(content='<p><a href="https://acme.example">x</a></p>'), False),
    ],
)
def test_keywords_choose_from_a_public_stream(status: dict[str, Any], wanted: bool) -> None:
    delivery = _read("update", status, SOME)
    assert bool(delivery.items) is wanted
    assert delivery.ignored == ()


@pytest.mark.parametrize(
    ("event", "data", "ignored"),
    [
        ("update", _status(reblog=_status()), Ignored.REACTION),
        ("notification", {"type": "favourite", "status": _status()}, Ignored.REACTION),
        ("notification", {"type": "reblog", "status": _status()}, Ignored.REACTION),
        ("notification", {"type": "follow", "account": ADA}, Ignored.STATUS),
        ("notification", {"type": "poll", "status": _status()}, Ignored.STATUS),
        ("filters_changed", None, Ignored.STATUS),
        ("announcement", {"id": "1"}, Ignored.STATUS),
    ],
)
def test_what_is_nothing_to_us(event: str, data: object, ignored: Ignored) -> None:
    assert _read(event, data) == Delivery(ignored=(ignored,))


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("update", b"{"),
        ("update", b"{}"),
        ("update", b'{"id": "1", "account": "ada"}'),
        ("notification", b"[]"),
        ("delete", b""),
        ("delete", b"{}"),
        ("delete", b"\xff"),
        ("delete", b"1" * 100),
    ],
)
def test_data_that_is_none(event: str, data: bytes) -> None:
    with pytest.raises(Rejected):
        read_event(event, data, ALL)


def test_it_is_pulled() -> None:
    assert PROVIDER.pull
    assert PROVIDER.parse is None
