"""Data of any flat shape → Item: which field is the text, the author, the time, and so on.

For senders that do not write the product's own JSON: a form tool's web hook, a spreadsheet. Every
field has names under which it is commonly found; ``<field>_field`` in the options of a source (or
``--map field=Name`` of the import) names another, nested ones with dots: ``customer.email``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.ingest.channels import generic
from services.ingest.channels.item import Item, Scalar, with_title
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Operation, Rating

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "uuid", "message_id", "comment_id", "review_id", "response_id", "ticket_id"),
    "text": ("text", "message", "body", "comment", "content", "feedback", "review", "description"),
    "title": ("title", "subject", "headline", "review_title"),
    "author": (
        "author", "email", "author_id", "user_id", "customer_id", "customer", "user", "from",
        "phone", "reviewer",
    ),
    "name": ("author_name", "customer_name", "display_name", "name"),
    "time": ("occurred_at", "created_at", "submitted_at", "timestamp", "date", "time", "created"),
    "rating": ("rating", "stars", "score"),
    "thread": ("thread", "thread_id", "conversation_id"),
    "language": ("language", "lang", "locale"),
    "url": ("url", "permalink", "link"),
    "channel": ("channel",),
}  # fmt: skip
"""Per field of an item the names it is looked for under, best first."""

OPTIONS: Mapping[str, str] = {
    **{f"{field}_field": f"name of the field that holds the {field}" for field in NAMES},
    "channel": "channel of items that do not state one: email, phone, social, reviews, other",
    "scale": "scale of ratings, lowest-highest; 1-5 if not given",
}
"""Options of a source whose data goes through ``item_of``."""

NO_ID = "row:"
MAX_DEPTH = 4
MAX_FIELDS = 500
_INT64 = 1 << 63
_NOT_WORD = re.compile(r"[^0-9a-z.]+")
_SCALE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)\s*")
_SCORE = re.compile(
    r"\s*(-?\d{1,6}(?:[.,]\d{1,6})?)\s*(?:/\s*\d+|stars?|\u2605)?\s*", re.IGNORECASE
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}")
_MEDIA = {
    Channel.EMAIL: Medium.EMAIL,
    Channel.REVIEWS: Medium.REVIEW,
    Channel.SOCIAL: Medium.POST,
}
_CHANNELS = {str(channel): channel for channel in Channel}
_scalar: msgspec.json.Decoder[Scalar | None] = msgspec.json.Decoder(str | int | float | bool | None)

Row = Mapping[str, Scalar]


class Layout(NamedTuple):
    """Where the fields of an item are. ``named`` are those that do not go by their usual name."""

    named: Mapping[str, str] = {}
    channel: Channel = Channel.OTHER
    low: float = 1.0
    high: float = 5.0

    @classmethod
    def of(cls, options: Mapping[str, str], channel: Channel = Channel.OTHER) -> Layout:
        """Return the layout that ``options`` describe; what is no valid value counts as not given."""
        named = {
            field: options[f"{field}_field"] for field in NAMES if options.get(f"{field}_field")
        }
        scale = _SCALE.fullmatch(options.get("scale", ""))
        low, high = (float(scale[1]), float(scale[2])) if scale else (1.0, 5.0)
        if not low < high:
            low, high = 1.0, 5.0
        return cls(named, _CHANNELS.get(options.get("channel", ""), channel), low, high)


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
    for name, raw in given.items():
        if len(found) >= MAX_FIELDS:
            return
        data = bytes(raw)
        if data.startswith(b"{"):
            if depth > 1:
                inner = read_json(data, dict[str, msgspec.Raw])
                _flatten(inner, f"{prefix}{name}.", depth - 1, found)
        elif not data.startswith(b"["):
            value = _value(data)
            if value is not None:
                found[prefix + name] = value


def _value(raw: bytes) -> Scalar | None:
    try:
        return _scalar.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None


def item_of(row: Row, layout: Layout, *, gone: bool = False) -> Item:
    """Return the item in ``row``; what is not one of its fields becomes an attribute.

    Without an id of its own a row is identified by its whole content (``has_own_id``).

    Raises:
        Rejected: it has neither text nor rating, and is not ``gone``.
    """
    places = _places(row, layout)
    given = {field: row[name] for field, name in places.items()}
    text, title = _text(given, "text"), _text(given, "title")
    rating = _rating(given.get("rating"), layout)
    if rating is None:
        places.pop("rating", None)  # kept as an attribute
    if not text and not title and rating is None and not gone:
        raise Rejected(Refusal.EMPTY_TEXT, "neither a text nor a rating is among the fields")
    kind = _CHANNELS.get(_text(given, "channel") or "", layout.channel)
    at = given.get("time")
    time = stated(None if isinstance(at, bool) else at)
    return Item(
        native_id=_text(given, "id") or _digest(row),
        channel=kind,
        op=Operation.DELETE if gone else Operation.CREATE,
        text="" if gone else with_title(title, text or ""),
        title=title,
        medium=_MEDIA.get(kind, Medium.OTHER),
        author=_text(given, "author"),
        display_name=_text(given, "name"),
        thread_id=_text(given, "thread"),
        occurred_at=time.at,
        time_quality=time.quality,
        language=_language(_text(given, "language")),
        rating=rating,
        url=_text(given, "url"),
        attributes=_rest(row, set(places.values())),
    )


def _places(row: Row, layout: Layout) -> dict[str, str]:
    """Return the name in ``row`` of each field; white space and case do not matter."""
    folded: dict[str, str] = {}
    for name in row:
        folded.setdefault(fold(name), name)
    places: dict[str, str] = {}
    for field, usual in NAMES.items():
        wanted = (layout.named[field],) if field in layout.named else usual
        found = next((folded[fold(name)] for name in wanted if fold(name) in folded), None)
        if found is not None and found not in places.values():
            places[field] = found
    return places


def fold(name: str) -> str:
    """Return ``name`` as it is compared: ``"Review Text"`` is ``review_text``."""
    lower = name.strip().casefold()
    return _NOT_WORD.sub("_", lower).strip("_") or lower


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


def _digest(row: Row) -> str:
    """Return an id for a row that has none: the same row is the same item for ever."""
    whole = msgspec.json.encode(dict(row), order="deterministic")
    return NO_ID + hashlib.blake2b(whole, digest_size=16).hexdigest()


def has_own_id(item: Item) -> bool:
    """Tell whether the data of ``item`` stated its id."""
    return not item.native_id.startswith(NO_ID)


def _rest(row: Row, taken: set[str]) -> dict[str, Scalar]:
    """Return what fits into attributes; the original is kept elsewhere."""
    rest: dict[str, Scalar] = {}
    for name, value in row.items():
        if name in taken or len(rest) == generic.MAX_ATTRIBUTES:
            continue
        key = name.strip()
        if not 0 < len(key) <= generic.MAX_ATTRIBUTE_NAME or key.startswith(
            generic.RESERVED_PREFIX
        ):
            continue
        if isinstance(value, str):
            if value.strip() and len(value) <= generic.MAX_ATTRIBUTE_VALUE:
                rest[key] = value.strip()
        elif not isinstance(value, int) or -_INT64 <= value < _INT64:
            rest[key] = value
    return rest
