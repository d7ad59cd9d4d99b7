"""Data of any flat shape → Item: which field is the text, the author, the time, and so on.

For senders that do not write the product's own JSON: a form tool's web hook, a survey. Every field has
names under which it is commonly found; ``<field>_field`` in the options of a source (or ``--map
field=name`` of the import) names another one, nested ones with dots: ``customer.email``. Everything
else is left out, since it may hold anything, unless the option ``attributes`` lists it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.ingest.channels import generic
from services.ingest.channels.item import DERIVED, Item, Scalar, derived, with_title
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Operation, Product, Rating

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "uuid", "message_id", "comment_id", "review_id", "response_id", "ticket_id"),
    "text": ("text", "message", "body", "comment", "content", "feedback", "review", "description"),
    "title": ("title", "subject", "headline", "review_title"),
    "author": (
        "author", "email", "author_id", "user_id", "customer_id", "customer", "user", "from",
        "phone", "reviewer",
    ),
    "name": ("author_name", "customer_name", "display_name", "name"),
    "rating": ("rating", "stars", "score"),
    "date": ("occurred_at", "created_at", "submitted_at", "timestamp", "date", "time", "created"),
    "language": ("language", "lang", "locale"),
    "url": ("url", "permalink", "link"),
    "thread": ("thread", "thread_id", "conversation_id"),
    "country": ("country", "country_code"),
    "version": ("app_version", "version"),
    "location": ("location_id", "location", "store_id", "store"),
    "order": ("order_id", "order_number", "order_ref"),
    "channel": ("channel",),
}  # fmt: skip
"""Per field of an item the names it is looked for under, best first."""

OPTIONS: Mapping[str, str] = {
    **{f"{field}_field": f"name of the field that holds the {field}" for field in NAMES},
    "attributes": "names of fields to keep as attributes, separated by commas or spaces",
    "channel": "channel of items that do not state one: email, phone, social, reviews, other",
    "rating_min": "lowest rating (1)",
    "rating_max": "highest rating (5)",
}
"""Options of a source whose data goes through ``item_of``."""

ATTRIBUTE = "attributes."
MAX_DEPTH = 4
MAX_FIELDS = 500
_NOT_WORD = re.compile(r"[^\w.]+")
_SCORE = re.compile(r"\s*(-?\d{1,6}(?:[.,]\d{1,6})?)\s*(?:/\s*\d{1,6}|stars?|★)?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,6})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_CHANNELS = {str(channel): channel for channel in Channel}
_MEDIA = {
    Channel.EMAIL: Medium.EMAIL,
    Channel.REVIEWS: Medium.REVIEW,
    Channel.SOCIAL: Medium.POST,
}
_scalar: msgspec.json.Decoder[Scalar | None] = msgspec.json.Decoder(str | int | float | bool | None)

Row = Mapping[str, Scalar]


class Layout(NamedTuple):
    """Where the fields of an item are.

    ``named`` are those that do not go by their usual name, ``attributes`` (name → field) those to keep.
    """

    named: Mapping[str, str] = {}
    attributes: Mapping[str, str] = {}
    channel: Channel = Channel.OTHER
    low: float = 1.0
    high: float = 5.0

    @classmethod
    def of(cls, options: Mapping[str, str], mapping: Mapping[str, str] | None = None) -> Layout:
        """Return the layout of ``OPTIONS``; what is no valid value counts as not given.

        ``mapping`` (field → name, also ``attributes.<name>``) goes before them.
        """
        given = {field: options.get(f"{field}_field", "") for field in NAMES} | dict(mapping or {})
        listed = options.get("attributes", "").replace(",", " ").split()
        low, high = _bound(options, "rating_min", 1.0), _bound(options, "rating_max", 5.0)
        return cls(
            named={field: name for field, name in given.items() if name and field in NAMES},
            attributes={name: name for name in listed}
            | {
                field.removeprefix(ATTRIBUTE): name
                for field, name in given.items()
                if name and field.startswith(ATTRIBUTE)
            },
            channel=_CHANNELS.get(options.get("channel", ""), Channel.OTHER),
            low=low if low < high else 1.0,
            high=high if low < high else 5.0,
        )


def _bound(options: Mapping[str, str], name: str, default: float) -> float:
    value = options.get(name, "").strip()
    return float(value) if _NUMBER.fullmatch(value) else default


def data_item(data: bytes, layout: Layout, *, gone: bool = False) -> Item:
    """Return the item in the JSON ``data``: in the product's own form, or as ``layout`` says.

    Data that names one of our channels and has an id is taken for our own form, and held to it.
    ``gone``: the item was deleted, so there need be nothing but an id.

    Raises:
        Rejected: it is no object, or has neither text nor rating.
    """
    row = flat(data)
    if not gone and not layout.named and "id" in row and row.get("channel") in _CHANNELS:
        return generic.parse(data)
    return item_of(row, layout, gone=gone)


def flat(data: bytes) -> dict[str, Scalar]:
    """Return the scalars of a JSON object; nested names are joined by dots, lists are left out.

    Raises:
        Rejected: it is no JSON object.
    """
    found: dict[str, Scalar] = {}
    _flatten(read_json(data, dict[str, msgspec.Raw]), "", MAX_DEPTH, found)
    return found


def _flatten(
    given: Mapping[str, msgspec.Raw], prefix: str, depth: int, found: dict[str, Scalar]
) -> None:
    nested: list[tuple[str, bytes]] = []
    for name, raw in given.items():
        data = bytes(raw)
        if data.startswith(b"{"):
            nested.append((name, data))
        elif not data.startswith(b"[") and len(found) < MAX_FIELDS:
            value = _value(data)
            if value is not None:
                found[prefix + name] = value
    for name, data in nested:
        if depth > 1 and len(found) < MAX_FIELDS:
            _flatten(read_json(data, dict[str, msgspec.Raw]), f"{prefix}{name}.", depth - 1, found)


def _value(raw: bytes) -> Scalar | None:
    try:
        return _scalar.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None


def item_of(row: Row, layout: Layout, *, gone: bool = False) -> Item:
    """Return the item in ``row``.

    Without an id of its own a row is identified by its whole content (``has_own_id``).

    Raises:
        Rejected: it has neither text nor rating, and is not ``gone``.
    """
    folded = _folded(row)
    given = {
        field: row[place]
        for field, usual in NAMES.items()
        if (place := _place(folded, layout.named.get(field), usual)) is not None
    }
    text, title = _text(given, "text"), _text(given, "title")
    rating = _rating(given.get("rating"), layout)
    if not text and not title and rating is None and not gone:
        raise Rejected(Refusal.EMPTY_TEXT, "neither a text nor a rating is among the fields")
    channel = _CHANNELS.get(_text(given, "channel") or "", layout.channel)
    date = given.get("date")
    time = stated(None if isinstance(date, bool) else date)
    country = _text(given, "country") or ""
    return Item(
        native_id=_text(given, "id") or _digest(row),
        channel=channel,
        op=Operation.DELETE if gone else Operation.CREATE,
        text="" if gone else with_title(title, text or ""),
        title=title,
        medium=_MEDIA.get(channel, Medium.OTHER),
        author=_text(given, "author"),
        display_name=_text(given, "name"),
        thread_id=_text(given, "thread"),
        occurred_at=time.at,
        time_quality=time.quality,
        language=_language(_text(given, "language")),
        country=country.upper() if _COUNTRY.fullmatch(country) else None,
        rating=rating,
        url=_text(given, "url"),
        product=_product(given),
        attributes=_attributes(row, folded, layout),
    )


def has_own_id(item: Item) -> bool:
    """Tell whether the data of ``item`` stated its id."""
    return not item.native_id.startswith(DERIVED)


def _folded(row: Row) -> Mapping[str, str]:
    """Return the names in ``row`` by what they are without case, spaces and punctuation."""
    folded: dict[str, str] = {}
    for name in row:
        folded.setdefault(_fold(name), name)
    return folded


def _fold(name: str) -> str:
    return _NOT_WORD.sub("_", name.casefold()).strip("_")


def _place(folded: Mapping[str, str], named: str | None, usual: tuple[str, ...]) -> str | None:
    wanted = usual if named is None else (_fold(named),)
    return next((folded[name] for name in wanted if name in folded), None)


def _text(given: Mapping[str, Scalar], field: str) -> str | None:
    value = given.get(field)
    if value is None or isinstance(value, bool):
        return None
    text = value.strip() if isinstance(value, str) else f"{value}"
    return text or None


def _rating(value: Scalar | None, layout: Layout) -> Rating | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _SCORE.fullmatch(value)
        if match is None:
            return None
        value = float(match[1].replace(",", "."))
    if not layout.low <= value <= layout.high:
        return None
    return Rating(value=float(value), min=layout.low, max=layout.high)


def _language(value: str | None) -> str | None:
    if value is None or not _LANGUAGE.fullmatch(value):
        return None
    return value.replace("_", "-")


def _product(given: Mapping[str, Scalar]) -> Product | None:
    product = Product(
        version=_text(given, "version"),
        location_id=_text(given, "location"),
        order_ref=_text(given, "order"),
    )
    return None if product == Product() else product


def _digest(row: Row) -> str:
    """Return an id for a row that has none: the same row is the same item for ever."""
    whole = msgspec.json.encode(dict(row), order="deterministic")
    return derived(whole.decode())


def _attributes(row: Row, folded: Mapping[str, str], layout: Layout) -> dict[str, Scalar]:
    """Return what is to be kept."""
    kept: dict[str, Scalar] = {}
    for name, place in layout.attributes.items():
        found = folded.get(_fold(place))
        if found is not None:
            kept[name] = row[found]
    return kept
