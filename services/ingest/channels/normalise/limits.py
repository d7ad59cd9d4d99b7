"""Bounds of the fields of an item: too long is cut or hashed, never refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from services.ingest.channels.item import Scalar
from services.ingest.channels.text import clean_line

S = TypeVar("S", bound=msgspec.Struct)
MAX_ID = 512
MAX_NAME = 256
MAX_TITLE = 1_024
MAX_URL = 2_048
MAX_ATTACHMENTS = 50
MAX_TURNS = 2_000
MAX_ATTRIBUTES = 32
MAX_ATTRIBUTE_BYTES = 4_096
HASHED = "blake2b:"
DROPPED = "tocsin.attributes_dropped"
"""Attribute that says how many others did not fit."""

_RESERVED = "tocsin."


def bounded_id(value: str) -> str:
    """Return an id on one line; one longer than ``MAX_ID`` becomes its hash, which is as stable."""
    line = clean_line(value)
    if len(line) <= MAX_ID:
        return line
    return HASHED + hashlib.blake2b(line.encode("utf-8", "replace"), digest_size=16).hexdigest()


def bounded_line(value: str, limit: int) -> str:
    """Return a short text on one line, cut to ``limit`` code points."""
    line = clean_line(value)
    return line if len(line) <= limit else line[:limit].rstrip()


def bounded_strings(struct: S) -> S:
    """Return ``struct`` with every text of its own on one line, as long as an id or a URL at most."""
    changed = {
        name: line
        for name in struct.__struct_fields__
        if type(value := getattr(struct, name)) is str
        and (line := bounded_line(value, MAX_URL if name.endswith("url") else MAX_ID)) != value
    }
    return msgspec.structs.replace(struct, **changed) if changed else struct


def bounded_attributes(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return what fits of the attributes, names and texts in UTF-8, in the order of their names.

    The order of the sender does not matter, so a redelivery keeps the same ones; our own
    (``tocsin.…``) come first.
    """
    size = 0
    for name, value in given.items():
        size += _size(name, value)
    if len(given) <= MAX_ATTRIBUTES and size <= MAX_ATTRIBUTE_BYTES:
        return dict(given)
    left = MAX_ATTRIBUTE_BYTES - len(DROPPED) - 8
    kept: dict[str, Scalar] = {}
    for name in sorted(given, key=lambda name: (not name.startswith(_RESERVED), name)):
        size = _size(name, given[name])
        if len(kept) < MAX_ATTRIBUTES - 1 and size <= left:
            kept[name] = given[name]
            left -= size
    return kept | {DROPPED: len(given) - len(kept)}


def _size(name: str, value: Scalar) -> int:
    text = value if isinstance(value, str) else repr(value)
    return len(name.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
