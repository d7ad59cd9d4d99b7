"""Text that was decoded with the wrong charset on its way to us ("fÃ¼r" → "für").

ftfy takes 0.8 ms for such a text, so only texts with a pair of characters that hardly any language has
are given to it: a lead byte of UTF-8 and a continuation byte, both read as Windows-1252.
"""

from __future__ import annotations

import re

import ftfy

MAX_REPAIRED = 8_192
"""Of a longer text so much of its beginning is repaired."""

_LEADS = ("Ã", "Â", "â", "Ð", "Ñ", "ã", "Å", "Ä", "Ø", "Ù", "ð", "ï", "å", "æ", "ç", "è", "é", "ì", "í", "ë")  # fmt: skip
_SUSPICIOUS = re.compile(
    f"[{''.join(_LEADS)}]"
    "[\u0080-\u00a0¡-¬®-»¼½¾¿ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œŸ€‚]"
    "(?:[^A-Za-z \n.,;:!?)]|(?<=[ÃÂÐÑÅÄ].))"
)
_CONFIG = ftfy.TextFixerConfig(unescape_html=False, normalization=None, explain=False)


def repair(text: str) -> str:
    """Return ``text`` with mojibake undone where there is any; other text is untouched."""
    if text.isascii() or not _SUSPICIOUS.search(text):
        return text
    return ftfy.fix_encoding(text[:MAX_REPAIRED], _CONFIG) + text[MAX_REPAIRED:]
