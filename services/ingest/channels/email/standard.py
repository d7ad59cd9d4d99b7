"""The standard library's parser, for messages on which it takes no more than linear time."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message

FAILURES = (RecursionError, ValueError, LookupError, TypeError, AttributeError, IndexError)
"""What it and its messages raise on bytes that nobody has tried."""

_MAX_EXTENDED = 500
_EXTENDED = re.compile(rb"\*\d{0,6}\*?=")  # a parameter in pieces or with a charset (RFC 2231)


def parsed(data: bytes) -> Message | None:
    """Return the message, None if the parser fails on it or would take long.

    Parameters are decoded with whatever codec they name, ``punycode`` in quadratic time (800 KB take a
    minute), and put together from their pieces in quadratic time too.
    """
    if b"punycode" in data.lower() or len(_EXTENDED.findall(data)) > _MAX_EXTENDED:
        return None
    try:
        return message_from_bytes(data)
    except FAILURES:
        return None
