from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Settings
from services.ingest.channels.providers.bluesky import PROVIDER, read_event
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Attachment, Medium, Operation, Origin, Role, TimeQuality

OURS = "did:plc:acme"
SETTINGS = Settings(name="b", options={"keywords": "acme", "dids": OURS})
SEEN_US = 1_781_600_400_123_456
POST = "app.bsky.feed.post"
URI = f"at://did:plc:ada/{POST}/3k1"


def _v1(record: object | None = None, operation: str = "create", **event: Any) -> bytes:
    commit: dict[str, Any] = {
        "rev": "3rev1",
        "operation": operation,
        "collection": POST,
        "rkey": "3k1",
    }
    if record is not None:
        commit |= {"record": record, "cid": "bafy1"}
    frame = {"did": "did:plc:ada", "time_us": SEEN_US, "kind": "commit", "commit": commit}
    return json.dumps(frame | event).encode()


def _v2(record: object | None = None, operation: str = "create", **event: Any) -> bytes:
    payload: dict[str, Any] = {
        "$type": "network.bsky.jetstream.subscribeEvents#commit",
        "seq": 26_000_000_001,
        "did": "did:plc:ada",
        "time": "2026-06-16T09:00:00.123456Z",
        "rev": "3rev1",
        "operation": operation,
        "collection": POST,
        "rkey": "3k1",
    }
    if record is not None:
        payload["record"] = record
    return json.dumps({"$type": "message", "payload": payload | event}).encode()


def _post(text: str = "Acme ist kaputt", **record: Any) -> dict[str, Any]:
    return {"$type": POST, "text": text, "createdAt": "2026-06-16T08:59:59Z", **record}


def _nothing(_: str) -> bool:
    return False


def _one(frame: bytes) -> Item | None:
    delivery, _ = read_event(frame, SETTINGS, _nothing)
    assert delivery == Delivery(items=delivery.items)
    return delivery.items[0] if delivery.items else None


def test_a_post_with_a_keyword_in_both_versions() -> None:
    first, cursor = read_event(_v1(_post(langs=["de", "en"])), SETTINGS, _nothing)
    assert cursor == SEEN_US
    (item,) = first.items
    assert item.native_id == URI
    assert item.url == "https://bsky.app/profile/did:plc:ada/post/3k1"
    assert (item.text, item.author, item.revision) == ("Acme ist kaputt", "did:plc:ada", "3rev1")
    assert (item.medium, item.language, item.thread_id) == (Medium.POST, "de", URI)
    assert item.occurred_at == 1_781_600_399_000
    second, cursor = read_event(_v2(_post(langs=["de", "en"])), SETTINGS, _nothing)
    assert cursor == 26_000_000_001
    assert second == first


def _answer(root: str, parent: str) -> dict[str, Any]:
    return {"root": {"uri": f"at://{root}/{POST}/1"}, "parent": {"uri": f"at://{parent}/{POST}/2"}}


@pytest.mark.parametrize(
    "record",
    [
        _post("hi", reply=_answer(OURS, "did:plc:x")),
        _post("hi", reply=_answer("did:plc:x", OURS)),
        _post(
            "hi @us",
            facets=[
                {"index": {}, "features": [{"$type": "…#link", "uri": "https://a.example"}]},
                {"index": {}, "features": [{"$type": "…#mention", "did": OURS}]},
            ],
        ),
        _post("hi", embed={"record": {"uri": f"at://{OURS}/{POST}/1", "cid": "b"}}),
        _post("hi", embed={"record": {"record": {"uri": f"at://{OURS}/{POST}/1"}}, "media": {}}),
        _post("#rail", tags=["ACME"]),
        _post("#x", facets=[{"features": [{"$type": "…#tag", "tag": "acme"}]}]),
    ],
)
def test_posts_that_concern_us(record: dict[str, Any]) -> None:
    assert _one(_v1(record)) is not None


@pytest.mark.parametrize(
    "frame",
    [
        _v1(_post("nothing about them")),
        _v1(_post("hi", reply=_answer("did:plc:x", "did:plc:y"))),
        _v1(_post("acmeology")),
        _v1({"$type": POST, "text": 7}),
        _v1({"$type": POST, "text": "acme", "langs": "de"}),
        _v1("acme"),
        _v1(),
        _v1(operation="delete"),
        _v1(_post(), operation="merge"),
        json.dumps({"did": OURS, "time_us": SEEN_US, "kind": "identity", "identity": {}}).encode(),
        json.dumps({"did": OURS, "time_us": SEEN_US, "kind": "account", "account": {}}).encode(),
        _v2(_post(), collection="app.bsky.feed.like"),
    ],
)
def test_the_rest_leaves_no_trace_but_the_cursor(frame: bytes) -> None:
    delivery, cursor = read_event(frame, SETTINGS, _nothing)
    assert delivery == Delivery()
    assert cursor in {SEEN_US, 26_000_000_001}


def test_without_any_filter_nothing_is_taken() -> None:
    assert read_event(_v1(_post()), Settings(name="b"), _nothing)[0] == Delivery()


def test_our_own_posts_are_answers_of_agents() -> None:
    item = _one(_v1(_post("We are sorry"), did=OURS))
    assert item is not None
    assert (item.role, item.origin) == (Role.AGENT, Origin.OWN_ECHO)


def test_a_known_post_is_followed_even_without_the_keyword() -> None:
    def known(uri: str) -> bool:
        return uri == URI

    (gone,) = read_event(_v1(operation="delete"), SETTINGS, known)[0].items
    assert (gone.native_id, gone.op, gone.text) == (URI, Operation.DELETE, "")
    assert (gone.author, gone.revision, gone.edited_at) == (
        "did:plc:ada",
        "3rev1",
        1_781_600_400_123,
    )
    edit = _v1(_post("all is well"), operation="update")
    (edited,) = read_event(edit, SETTINGS, known)[0].items
    assert (edited.op, edited.edited_at) == (Operation.UPDATE, 1_781_600_400_123)
    assert read_event(_v1(_post("all is well")), SETTINGS, known)[0] == Delivery()


@pytest.mark.parametrize(
    ("stated", "at", "quality"),
    [
        ("3026-01-01T00:00:00Z", 33_324_134_400_000, TimeQuality.EXACT),
        ("2026-06-16T08:59:59", 1_781_600_399_000, TimeQuality.ASSUMED_UTC),
        ("0000-00-00T00:00:00Z", 1_781_600_400_123, TimeQuality.EXACT),
        ("soon", 1_781_600_400_123, TimeQuality.EXACT),
        (None, 1_781_600_400_123, TimeQuality.EXACT),
    ],
)
def test_the_authors_claim_about_the_time(
    stated: str | None, at: int, quality: TimeQuality
) -> None:
    for frame in (_v1(_post(createdAt=stated)), _v2(_post(createdAt=stated))):
        item = _one(frame)
        assert item is not None
        assert (item.occurred_at, item.time_quality) == (at, quality)


def test_attachments() -> None:
    blob = {"$type": "blob", "ref": {"$link": "b"}, "mimeType": "image/png", "size": 9}
    media = {"images": [{"alt": "a broken box", "image": blob}], "video": blob, "media": {"x": 1}}
    link = {"uri": "https://a.example", "title": "A", "description": "…"}
    item = _one(_v1(_post(embed={"external": link, "media": media})))
    assert item is not None
    assert item.attachments == (
        Attachment(name="A", url="https://a.example"),
        Attachment(name="a broken box", media_type="image/png", size=9),
        Attachment(media_type="image/png", size=9),
    )


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", Refusal.EMPTY),
        (b"{", Refusal.BAD_JSON),
        (b"[]", Refusal.NOT_AN_OBJECT),
        (b'{"time_us": "x"}', Refusal.BAD_VALUE),
        (b'{"commit": {"record": ' + b"[" * 100_000, Refusal.TOO_DEEP),
    ],
)
def test_frames_that_are_none(frame: bytes, reason: Refusal) -> None:
    with pytest.raises(Rejected) as caught:
        read_event(frame, SETTINGS, _nothing)
    assert caught.value.reason is reason


def test_notices_of_the_stream_do_not_move_the_cursor() -> None:
    info = {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": "OutdatedCursor"}
    for frame in ({"$type": "message", "payload": info}, {"$type": "error", "error": "TooSlow"}):
        assert read_event(json.dumps(frame).encode(), SETTINGS, _nothing) == (Delivery(), None)


@given(at=st.integers(0, 600), junk=st.binary(max_size=20), cut=st.integers(0, 40))
def test_any_torn_frame_is_read_or_rejected(at: int, junk: bytes, cut: int) -> None:
    whole = _v1(_post(reply=_answer(OURS, OURS), langs=["en"]))
    with contextlib.suppress(Rejected):
        read_event(whole[:at] + junk + whole[at + cut :], SETTINGS, lambda _: True)


def test_it_is_pulled() -> None:
    assert PROVIDER.pull
    assert PROVIDER.parse is None
    assert set(PROVIDER.options) == {"keywords", "dids", "authors", "base_url"}
