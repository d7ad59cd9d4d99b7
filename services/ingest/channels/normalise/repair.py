"""Text that was decoded with the wrong charset on its way to us ("fÃ¼r" → "für").

ftfy takes 0.8 ms for such a text, so only texts with a pair of characters that hardly any language has
are given to it: a lead byte of UTF-8 and a continuation byte, both read as Windows-1252.
"""

from __future__ import annotations

import re

import ftfy

from services.ingest.channels.text import MAX_TEXT, clean

_ROUNDS = 4  # text that was garbled more often is left to the reader

_SUSPICIOUS = re.compile(
    "[ÃÂâÐÑãÅÄØÙðïåæçèéìíë]"
    "[\u0080-\u00a0¡-¬®-»¼½¾¿ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œŸ€‚]"
    "(?:[^A-Za-z \n.,;:!?)]|(?<=[ÃÂÐÑÅÄ].))"
)
_CONFIG = ftfy.TextFixerConfig(unescape_html=False, normalization=None, explain=False)


def clean_and_repaired(text: str, limit: int = MAX_TEXT) -> str:
    """Return ``text`` as ``text.clean`` leaves it, with mojibake undone where there is any.

    Repairing goes first, since ``clean`` takes out the control characters that a garbled text needs
    to be read; and again, for what cleaning has brought together. Linear: 90 ms for the worst text
    of ``MAX_TEXT`` code points.
    """
    for _ in range(_ROUNDS):
        cleaned, _cut = clean(repair(text), limit)
        if cleaned == text or not _is_suspicious(cleaned):
            return cleaned
        text = cleaned
    return text


def repair(text: str) -> str:
    """Return ``text`` with mojibake undone where there is any; other text is untouched."""
    return ftfy.fix_encoding(text, _CONFIG) if _is_suspicious(text) else text


def _is_suspicious(text: str) -> bool:
    return not text.isascii() and _SUSPICIOUS.search(text) is not None
