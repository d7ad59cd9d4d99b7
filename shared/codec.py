"""Bytes ↔ events, and the CloudEvents 1.0 attributes that travel as Kafka headers.

One tagged-union decoder per topic checks type, version and shape in a single pass; events of an
older version are upcast at once, so nothing behind this module ever sees one.
Source: CloudEvents Kafka protocol binding 1.0.2, binary content mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Generic, TypeVar, Union, cast

import msgspec

from shared import events
from shared.errors import Poison, PoisonReason

MAX_RECORD_BYTES: Final = 900_000
"""Largest record the product writes: below the broker's default limit of 1 MiB with headers."""

Headers = list[tuple[str, bytes]]
E_co = TypeVar("E_co", bound=events.Struct, covariant=True)

_encoder = msgspec.json.Encoder()
_VERSIONED = re.compile(r"^(?P<name>[a-z.]+)\.v(?P<version>[0-9]+)$")


class _Tagged(msgspec.Struct):
    type: str


_tagged = msgspec.json.Decoder(_Tagged)


def encode(event: events.Struct) -> bytes:
    """Return the JSON of ``event``.

    Raises:
        Poison: the record would be larger than ``MAX_RECORD_BYTES``.
    """
    raw = _encoder.encode(event)
    if len(raw) > MAX_RECORD_BYTES:
        raise Poison(PoisonReason.TOO_LARGE, f"{len(raw)} bytes > {MAX_RECORD_BYTES}")
    return raw


def type_tag(kind: type[events.Struct]) -> str:
    """Return the wire type of an event class, for example ``feedback.received.v1``."""
    return str(kind.__struct_config__.tag)


def headers(event: events.Struct, event_id: str, source: str) -> Headers:
    """Return the CloudEvents attributes of ``event``; ``source`` names the emitting service."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", ("tocsin." + type_tag(type(event))).encode()),
        ("content-type", b"application/json"),
    ]


class Decoder(Generic[E_co]):
    """Decodes the values of one topic.

    Args:
        kinds: event classes the topic may carry, old versions included.
    """

    def __init__(self, kinds: Iterable[type[events.Struct]]) -> None:
        self._kinds = tuple(kinds)
        self._decoder = msgspec.json.Decoder(Union[self._kinds])  # noqa: UP007
        self._tags = {type_tag(kind) for kind in self._kinds}

    def decode(self, raw: bytes | None) -> E_co:
        """Return the event in ``raw``, in its newest version.

        Raises:
            Poison: empty, not JSON, not UTF-8, too deep, of an unknown type or version, or misshapen.
        """
        if not raw:
            raise Poison(PoisonReason.EMPTY, "record without a value")
        try:
            event = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise self._explain(raw, error) from error
        except msgspec.DecodeError as error:
            raise Poison(PoisonReason.BAD_JSON, str(error)) from error
        except UnicodeDecodeError as error:
            raise Poison(PoisonReason.BAD_UTF8, str(error)) from error
        except RecursionError as error:
            raise Poison(PoisonReason.TOO_DEEP, "nested deeper than the parser goes") from error
        if isinstance(event, events.FeedbackClassifiedV1):
            return cast("E_co", event.upcast())
        return cast("E_co", event)

    def _explain(self, raw: bytes, error: msgspec.ValidationError) -> Poison:
        """Tell an unknown type from an unknown version of a known type from a wrong shape."""
        try:
            tag = _tagged.decode(raw).type
        except RecursionError:  # the first error hid it: what follows was not parsed yet
            return Poison(PoisonReason.TOO_DEEP, "nested deeper than the parser goes")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Poison(PoisonReason.BAD_SCHEMA, str(error))
        if tag in self._tags:
            return Poison(PoisonReason.BAD_SCHEMA, f"{tag}: {error}")
        match = _VERSIONED.match(tag)
        if match and any(known.startswith(match["name"] + ".v") for known in self._tags):
            return Poison(PoisonReason.UNKNOWN_VERSION, f"{tag!r}; known: {sorted(self._tags)}")
        return Poison(PoisonReason.UNKNOWN_TYPE, f"{tag!r}; known: {sorted(self._tags)}")
