"""Reviews of apps in the App Store, fetched from the public feed: no key needed, of any app.

Feed: ``/{country}/rss/customerreviews/page={n}/id={app}/sortby=mostrecent/json`` (the JSON form of
iTunes' RSS). At most 10 pages of 50; one storefront each; everything is text; a single review is an
object instead of a list; the first entry may be the app itself; older feeds state no times.
"""

from __future__ import annotations

import re

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.item import Item, with_title
from services.ingest.channels.provider import DAY_S, Capability, Ignored, Provider, Settings
from services.ingest.channels.reading import read_json
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import (
    POLLED,
    Page,
    identified,
    revision_of,
    whole,
)
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.times import stated
from shared.events import Channel, Engagement, Medium, Product

MAX_PAGES = 10
_PAGE = re.compile(r"/page=(\d{1,4})/")
_ACCOUNT = re.compile(r"/id(\d{1,20})$")
Text = str | int | float | None


class _Label(msgspec.Struct):
    label: Text = None


class _Id(msgspec.Struct):
    label: str | int | None = None


class _Author(msgspec.Struct):
    name: _Label = msgspec.field(default_factory=_Label)
    uri: _Label = msgspec.field(default_factory=_Label)


class _Entry(msgspec.Struct):
    id: _Id = msgspec.field(default_factory=_Id)
    author: _Author = msgspec.field(default_factory=_Author)
    title: _Label = msgspec.field(default_factory=_Label)
    content: _Label = msgspec.field(default_factory=_Label)
    updated: _Label = msgspec.field(default_factory=_Label)
    rating: _Label | None = msgspec.field(name="im:rating", default=None)
    version: _Label = msgspec.field(name="im:version", default_factory=_Label)
    votes: _Label = msgspec.field(name="im:voteSum", default_factory=_Label)


class _LinkAttributes(msgspec.Struct):
    rel: str = ""
    href: str = ""


class _Link(msgspec.Struct):
    attributes: _LinkAttributes = msgspec.field(default_factory=_LinkAttributes)


class _Feed(msgspec.Struct):
    entry: msgspec.Raw = msgspec.Raw(b"null")
    link: list[_Link] | _Link = []


class _Answer(msgspec.Struct):
    feed: _Feed


def read_page(body: bytes, settings: Settings) -> Page:
    """Return the reviews in a page of the feed; the token is the number of the next page.

    Raises:
        Rejected: it is no such feed.
    """
    feed = read_json(body, _Answer).feed
    entries = _entries(feed.entry)
    found = gathered(entries, _Entry, lambda entry: _item(entry, settings))
    return Page(found, _next(feed) if found.items else None)


def _entries(entry: msgspec.Raw) -> list[msgspec.Raw]:
    raw = bytes(entry).strip()
    if raw.startswith(b"["):
        return read_json(raw, list[msgspec.Raw])
    return [] if raw == b"null" else [msgspec.Raw(raw)]


def _item(entry: _Entry, settings: Settings) -> Item | Ignored:
    if entry.rating is None:
        return Ignored.UNSUPPORTED  # the app's own entry
    title, body = _text(entry.title).strip(), _text(entry.content)
    text = with_title(title, body)
    updated = stated(entry.updated.label)
    account = _ACCOUNT.search(_text(entry.author.uri))
    votes = whole(entry.votes.label)
    return Item(
        native_id=identified(entry.id.label, "id"),
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        title=title or None,
        text=text,
        revision=revision_of(entry.updated.label, entry.rating.label, text),
        author=account[1] if account else None,
        display_name=public_name(_text(entry.author.name)),
        country=settings.option("country").upper() or None,
        occurred_at=updated.at,
        time_quality=updated.quality,
        rating=stars(entry.rating.label),
        engagement=None if votes is None else Engagement(likes=votes),
        product=Product(
            app_id=settings.option("app_id") or None,
            version=_text(entry.version) or None,
            platform="ios",
        ),
    )


def _next(feed: _Feed) -> str | None:
    """Return the page after this one. The links lead to the XML form: only their number is of use."""
    links = feed.link if isinstance(feed.link, list) else [feed.link]
    pages = {
        link.attributes.rel: int(match[1])
        for link in links
        if (match := _PAGE.search(link.attributes.href))
    }
    following = pages.get("next", 0)
    last = min(pages.get("last", MAX_PAGES), MAX_PAGES)
    return str(following) if pages.get("self", 1) < following <= last else None


def _text(label: _Label) -> str:
    return "" if label.label is None else str(label.label)


PROVIDER = Provider(
    name="app_store_feed",
    title="App Store (public feed)",
    channel=Channel.REVIEWS,
    options={
        "app_id": "required: number of the app (Apple ID)",
        "country": "required: storefront, two letters (us, de, jp); one source for each",
        **POLLED,
    },
    pull=True,
    capability=Capability(
        redelivery_s=365 * DAY_S,  # the latest 500 are there again and again
        history_s=7 * DAY_S,  # the latest 500, which of a busy app are a few days
        public=True,
    ),
)
