"""Languages as speech engines name them → BCP 47."""

from __future__ import annotations

import re

_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_NONE = frozenset({"", "auto", "multi", "und", "unknown", "mul", "zxx"})
_OTHER_CODES = {"jw": "jv", "iw": "he", "in": "id"}
_NAMES = """
af afrikaans  am amharic  ar arabic  as assamese  az azerbaijani  ba bashkir  be belarusian
bg bulgarian  bn bengali  bo tibetan  br breton  bs bosnian  ca catalan valencian  cs czech  cy welsh
da danish  de german  el greek  en english  es spanish castilian  et estonian  eu basque  fa persian
fi finnish  fo faroese  fr french  gl galician  gu gujarati  ha hausa  haw hawaiian  he hebrew
hi hindi  hr croatian  ht haitian  hu hungarian  hy armenian  id indonesian  is icelandic  it italian
ja japanese  jv javanese  ka georgian  kk kazakh  km khmer  kn kannada  ko korean  la latin
lb luxembourgish letzeburgesch  ln lingala  lo lao  lt lithuanian  lv latvian  mg malagasy  mi maori
mk macedonian  ml malayalam  mn mongolian  mr marathi  ms malay  mt maltese  my myanmar burmese
ne nepali  nl dutch flemish  nn nynorsk  no norwegian  oc occitan  pa punjabi panjabi  pl polish
ps pashto pushto  pt portuguese  ro romanian moldavian moldovan  ru russian  sa sanskrit  sd sindhi
si sinhala sinhalese  sk slovak  sl slovenian  sn shona  so somali  sq albanian  sr serbian
su sundanese  sv swedish  sw swahili  ta tamil  te telugu  tg tajik  th thai  tk turkmen  tl tagalog
tr turkish  tt tatar  uk ukrainian  ur urdu  uz uzbek  vi vietnamese  yi yiddish  yo yoruba
yue cantonese  zh chinese mandarin
"""


def _by_name() -> dict[str, str]:
    found: dict[str, str] = {"haitian creole": "ht"}
    for entry in re.split(r"\s{2,}|\n", _NAMES.strip()):
        code, *names = entry.split()
        found.update(dict.fromkeys(names, code))
    return found


_BY_NAME = _by_name()


def bcp47(given: str | None) -> str | None:
    """Return the tag of a language given as tag, code or English name; None if it is none."""
    text = (given or "").strip()
    folded = text.casefold()
    if folded in _NONE:
        return None
    if name := _BY_NAME.get(folded):
        return name
    if not _TAG.fullmatch(text):
        return None
    return _OTHER_CODES.get(folded, text.replace("_", "-"))
