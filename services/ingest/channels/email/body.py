"""What of a message is classified: the customer's own words, from whichever body has them."""

from __future__ import annotations

from typing import NamedTuple

from services.ingest.channels.email.mail import Headers, Mail
from services.ingest.channels.email.quotes import own_words
from services.ingest.channels.email.subject import Kind, kind
from services.ingest.channels.html import to_text
from services.ingest.channels.item import with_title

_STUB_CHARS = 80
"""A plain text this short may only say that one should read the HTML."""


class Words(NamedTuple):
    """The text; ``lost``: it is not all there was, or not as it was."""

    text: str
    lost: bool


def own_text(mail: Mail, subject: str, languages: tuple[str, ...], *, as_is: bool) -> Words:
    """Return the words of ``mail``, under the subject if they begin a conversation.

    ``as_is``: it is a report of a mail system, where the quoted part is the message.
    """
    about = kind(subject)
    reply = about is Kind.REPLY or (about is Kind.FIRST and _answers(mail.headers))
    plain = mail.text.replace("\r\n", "\n").strip()
    given, converted = plain, False
    if mail.html and len(plain) < _STUB_CHARS:
        seen = to_text(mail.html, keep_quotes=not reply)
        if not plain or len(seen) > 2 * len(plain) + _STUB_CHARS:
            given, converted = seen, True
    if as_is:
        return Words(with_title(subject, given), converted)
    if mail.stripped.strip() and about is not Kind.FORWARD:
        given = mail.stripped
    own = own_words(given, languages, reply=reply)
    text = own if own and reply else with_title(subject, own)
    return Words(text, converted or own != plain)


def _answers(headers: Headers) -> bool:
    return "in-reply-to" in headers or "references" in headers
