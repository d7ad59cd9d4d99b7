"""Passwords, keys and tokens in a text, and those in the addresses of web pages.

Prefixes of keys are those that the platforms publish for secret scanning; JWT: RFC 7519.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2

from services.ingest.channels.normalise.scan import PLACEHOLDER, Found, Kind, Scan

_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
    r".*?(?:-----END [A-Z ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|\Z)",
    re.DOTALL,
)
_SEARCHED = (
    r"AKIA|ASIA|AIza|eyJ|gh[pousr]_|github_pat_|k_live_|k_test_|sk-|xox|xapp-|glpat-|whsec_|SG\."
    r"|npm_|pypi-|hf_|shp(?:at|ca|pa|ss)_|dop_v1_|ya29\.|EAA"
)
_MARKS = re2.compile(_SEARCHED)

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|AIza[\w-]{35}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|sk-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,}"
    r"|glpat-[\w-]{20,}|whsec_[A-Za-z0-9+/=]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{50,}|hf_[A-Za-z0-9]{30,}|shp(?:at|ca|pa|ss)_[a-f0-9]{32}"
    r"|dop_v1_[a-f0-9]{60,}|ya29\.[\w-]{20,}|EAA[A-Za-z0-9]{60,}"
    r")",
    re.ASCII,
)
_SCHEME = re.compile(
    r"(?<![A-Za-z])[Bb](?:earer|asic) +(?=[^\s0-9A-Z]{0,256}[0-9A-Z])([A-Za-z0-9_\-.~+/=]{16,})"
)
_SIGN = re.compile(r"[:=：＝][ \t\"'«“]{0,3}([^\s\"'»”,;&<>]{3,})")
_NAMED = re.compile(
    r"(?:pass(?:word|wort|code|phrase)|passwd|pwd|kennwort|contrase(?:ñ|n)a"
    r"|mot de passe|mdp|wachtwoord|has(?:ł|l)o|парол[ьяею]|пин(?:-?код)?"
    r"|şifre(?:m|si)?|sifre"
    r"|l(?:ö|o)senord|adgangskode|passord|salasana|jelsz(?:ó|o)|heslo|密码|密碼|パスワード|暗証番号|비밀번호|암호"
    r"|كلمة (?:المرور|السر)|סיסמ[הא]|पासवर्ड|mật khẩu|รหัสผ่าน|κωδικός"
    r"|(?:api|access|secret|private|auth|client)[ _-]?(?:key|token|secret)|apikey"
    r"|(?P<weak>\bpasse?|clave|senha|parola(?: d'ordine)?|token|secret"
    r"|\bpin(?:[ -]?code)?|cvv2?|cvc2?|cvn|\btan|\botp))"
    r"(?: ?\([^)]{0,10}\))?[ \"']{0,2}$"
)
"""``weak``: words that mean other things as well, so a plain word behind them is no secret."""

_TOLD = re.compile(
    r"(?:password|passwort|passcode|passphrase|kennwort|contraseña|senha|mot de passe|wachtwoord"
    r"|пароль|hasło|şifrem?)[ \t]{1,3}(?:is|was|ist|war|lautet|es|era|est|è|é|jest|to|-|–|=)?[ \t]{0,3}"
    r"[\"'«“]?([^\s\"'»”,;]{6,64})",
    re.IGNORECASE,
)
_TOLD_MARKS = (
    r"ass(?:word|wort|code|phrase)|ennwort|ontraseña|enha|de passe|achtwoord|арол|asło|ifre"
)
_TOLD_MARK = re2.compile(f"(?i){_TOLD_MARKS}")
_ANY_MARK = re2.compile(f"{_SEARCHED}|(?i:{_TOLD_MARKS})")
"""One linear search for the beginnings of all tokens, and for words for a password."""

_USERINFO = re.compile(r"(?<=://)([^\s/?#@\[\]]{1,256})@")
_QUERY = re.compile(
    r"[?&#;](?:access_?token|id_?token|refresh_?token|auth(?:_?token)?|token|api_?key|apikey|key"
    r"|sig(?:nature)?|x-amz-(?:signature|credential|security-token)|password|passwd|pwd|pass"
    r"|secret|client_?secret|session(?:_?id)?|sid|code|otp|jwt|hmac)=([^\s&#\"'<>\[\]]{1,4096})",
    re.IGNORECASE,
)
_NAME_REACH = 24


def redact_secrets(text: str, scan: Scan, digits: bool) -> str:
    """Return ``text`` without secrets; ``digits``: there is at least one digit in it."""
    if "-----BEGIN" in text:
        text = scan.replace(text, _spans(_KEY_BLOCK, text))
    marked = digits and _ANY_MARK.search(text) is not None
    if marked and _MARKS.search(text):
        text = scan.replace(text, _spans(_TOKEN, text))
    if "earer " in text or "asic " in text:
        text = scan.replace(text, _spans(_SCHEME, text, 1))
    if "://" in text:
        text = redact_link(text, scan)
    if ":" in text or "=" in text or "：" in text or "＝" in text:
        text = scan.replace(text, _named(text))
    if marked and _TOLD_MARK.search(text):
        text = scan.replace(text, _told(text))
    return text


def redact_link(text: str, scan: Scan, query: bool = True) -> str:
    """Return ``text`` without user and password in URLs and, with ``query``, tokens in queries."""
    if "@" in text:
        text = scan.replace(text, _spans(_USERINFO, text, 1))
    if query and "=" in text:
        text = scan.replace(text, _spans(_QUERY, text, 1))
    return text


def _spans(pattern: re.Pattern[str], text: str, group: int = 0) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(match.start(group), match.end(group), Kind.SECRET)


def _named(text: str) -> Iterator[Found]:
    """Yield the values after a colon or an equals sign that a word for a secret stands before."""
    for match in _SIGN.finditer(text):
        name = text[max(0, match.start() - _NAME_REACH) : match.start()].casefold()
        named = _NAMED.search(name)
        if named is None or _harmless(match[1]):
            continue
        if named["weak"] is None or not match[1].rstrip(".!?)").isalpha():
            yield Found(match.start(1), match.end(1), Kind.SECRET)


def _told(text: str) -> Iterator[Found]:
    """Yield what looks like a password behind "my password is": letters and other characters."""
    for match in _TOLD.finditer(text):
        word = match[1].rstrip(".!?)")
        if not word.isalpha() and any(map(str.isdigit, word)) and not _harmless(word):
            yield Found(match.start(1), match.start(1) + len(word), Kind.SECRET)


def _harmless(value: str) -> bool:
    return value.startswith("//") or PLACEHOLDER.match(value) is not None
