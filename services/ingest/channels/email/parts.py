"""What the e-mail core is given: the envelope of a delivery, and the parts of a message."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.events import Attachment

OPTIONS: Mapping[str, str] = {
    "own_addresses": "addresses of our own that send mail: if verified (authserv_id), as our answers",
    "own_domain": "domain of the Message-IDs that we make: without our token, never answered by itself",
    "relays": "addresses of contact forms and the like that write on behalf of people (Reply-To)",
    "authserv_id": "name under which our own mail server writes Authentication-Results",
    "thread_secret": "keys of the tokens in reply addresses (support+TOKEN@) and mail, newest first",
}
"""Options of a source that receives mail, for ``Provider.options``; lists are separated by spaces."""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiving provider found, in the words of RFC 8601 (``pass``, ``fail``, ``none``…).

    ``dkim_domain`` is the domain whose signature passed: alone it proves the author only if it is
    aligned with the From address. ``method`` names who checked.
    """

    method: str = "provider"
    spf: str | None = None
    dkim: str | None = None
    dkim_domain: str | None = None
    dmarc: str | None = None
    spam: bool = False


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """How a message came.

    ``sender`` is the return path: None if unknown, "" for the null sender (``<>``). ``recipients``
    are the mailboxes it was delivered to, ours first. ``checks`` None: nobody checked.
    ``trusted``: the message came through our own mail server, so the topmost
    ``Authentication-Results`` under our ``authserv_id`` is its word and not the sender's.
    """

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    checks: Checks | None = None
    trusted: bool = False


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed message; texts are decoded.

    ``headers`` are in the order of the message, repeated names repeat, names in any case.
    ``sender``, ``subject`` and ``date`` stand in for headers that the provider moved out of them;
    "" means: see the headers. ``sender`` is an address or ``Name <address>``.
    ``stripped`` is the provider's own idea of ``text`` without quotes, None or "" if it has none.
    ``raw`` is the whole message where there is one.
    """

    headers: tuple[tuple[str, str], ...] = ()
    sender: str = ""
    subject: str = ""
    date: str = ""
    text: str = ""
    html: str = ""
    stripped: str | None = None
    attachments: tuple[Attachment, ...] = ()
    raw: bytes | None = None
