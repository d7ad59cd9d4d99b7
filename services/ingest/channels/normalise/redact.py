"""Personal data and secrets out of a text, before it is written anywhere.

Taken out: e-mail and IP addresses, telephone, card and account numbers, national identity numbers,
passwords, keys and tokens. Names and postal addresses are not: telling them apart from what the
customer complains about needs a model, and a case needs them now and then.
"""

from __future__ import annotations

import re

import msgspec

from services.ingest.channels.normalise.addresses import redact_emails, redact_ips
from services.ingest.channels.normalise.cards import MIN_DIGITS, redact_cards
from services.ingest.channels.normalise.lettered import redact_lettered
from services.ingest.channels.normalise.numbers import redact_numbers
from services.ingest.channels.normalise.scan import Scan
from services.ingest.channels.normalise.secrets import redact_link, redact_secrets

_ASCII_DIGITS = b"0123456789"
_DIGIT = re.compile(r"\d")
_LETTERED, _NUMBER = 4, 5  # fewer digits are nobody's number
_ROUNDS = 4


class Redacted(msgspec.Struct, frozen=True):
    """A text with placeholders such as ``[email]``, and how many of each kind are new in it."""

    text: str
    counts: dict[str, int] = {}


def redact(text: str, region: str | None = None) -> Redacted:
    """Return ``text`` without personal data; ``region`` (ISO 3166) is that of national numbers.

    Linear in the length of the text, and redacting twice changes nothing.
    """
    scan = Scan(region)
    for _ in range(_ROUNDS):
        text = _redacted(text, scan)
        if not scan.glued:
            break
        scan.glued = False
    return Redacted(text, scan.counts)


def _redacted(text: str, scan: Scan) -> str:
    digits = _digits(text)
    text = redact_secrets(text, scan, digits > 0)
    text = redact_emails(text, scan)
    if digits >= _LETTERED:
        text = redact_lettered(text, scan)
    if digits >= MIN_DIGITS:
        text = redact_cards(text, scan)
    if digits >= _NUMBER:
        text = redact_ips(text, scan)
        text = redact_numbers(text, scan)
    return text


def redact_url(url: str, query: bool = True) -> Redacted:
    """Return a URL without user and password and, with ``query``, without tokens in its query."""
    scan = Scan(None)
    return Redacted(redact_link(url, scan, query), scan.counts)


def _digits(text: str) -> int:
    """Return how many digits there are, of any script."""
    if text.isascii():
        return len(text) - len(text.encode().translate(None, _ASCII_DIGITS))
    return len(_DIGIT.findall(text))
