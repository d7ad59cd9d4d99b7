"""Character sets that senders state: which of them are believed, and what they mean.

One list for forms and mail: the Encoding standard of WHATWG and what else mail is written in. Whatever
decodes with them is text: neither half surrogate pairs (UTF-7, ``unicode_escape``) nor a time that is
quadratic (``punycode``) can come of it. A failed look-up of Python's is remembered for ever, so names
are looked up here first.
"""

from __future__ import annotations

import re
from encodings import normalize_encoding
from encodings.aliases import aliases

UTF_8 = "utf_8"
_MAX_CHARS = 40
_BELIEVED = re.compile(
    r"utf_8(?:_sig)?|utf_(?:16|32)(?:_[bl]e)?|cp(?:437|850|852|866|874|932|949|950|125[0-8])|"
    r"iso8859_(?:[2-8]|1[013456])|koi8_[ru]|mac_(?:roman|cyrillic)|"
    r"big5(?:hkscs)?|gb18030|hz|euc_jp|iso2022_jp(?:_(?:[123]|2004|ext))?|iso2022_kr|johab"
)
_NAMES = aliases | {"windows_874": "cp874", "iso_8859_8_i": "iso8859_8", "x_sjis": "shift_jis"}
_MEANT = {  # what mail under these names really is in (WHATWG Encoding, section 4.2)
    "ascii": UTF_8,
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}


def known(charset: str) -> str:
    """Return Python's name of the charset that a sender states, that of UTF-8 if it is not believed."""
    name = normalize_encoding(charset.strip().lower()[:_MAX_CHARS])
    name = _NAMES.get(name, name)
    name = _MEANT.get(name, name)
    return name if _BELIEVED.fullmatch(name) else UTF_8


def decoded(raw: bytes, charset: str) -> str:
    """Return ``raw`` as text in the stated charset; what does not fit it is replaced."""
    return raw.decode(known(charset), "replace")


def whole(text: str) -> str:
    """Return ``text`` with half surrogate pairs, which no encoding can hold, replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
