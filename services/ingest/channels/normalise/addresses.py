"""E-mail and IP addresses in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from string import ascii_letters, digits

from services.ingest.channels.normalise.scan import Found, Kind, Scan, before

_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-'%"
_LOCAL_EDGES = ".'%"
_SPACED = r"(?![\u0e00-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af\uf900-\uffef])"
_WORD_END = re.compile(rf"(?:{_SPACED}[\w.+%'-]){{1,64}}\Z")  # of scripts with spaces between words
_ANY_END = re.compile(r"[\w.+%'-]{1,64}\Z")
_DOMAIN = re.compile(
    r"(?:@|＠|%40| ?[\[(](?:at|AT|ät|arroba|собака)[\])] ?)"
    r"(?:[^\W_](?:[\w-]{0,62})(?:\.| ?[\[(](?:dot|DOT|punkt|punto|ponto|точка)[\])] ?)){1,8}"
    r"(?:[A-Za-z]{2,24}(?![A-Za-z0-9])|xn--[A-Za-z0-9-]{1,59}|[^\W\d_]{2,24})"
)
_SIGN = re.compile(r"[@＠%\[(]")  # how "@", "%40", " [at] " and the like begin
_V4 = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![.-]?[0-9])(?![A-Za-z_])")
_BEFORE_NO_IP = frozenset(ascii_letters + digits + "._-")
_V4_DOTS = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_V6 = re.compile(r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![A-Za-z0-9_:])")
_VERSION = re.compile(
    r"(?:\bv(?:er(?:sion|sie|sione|são|sión|sja|ze)?)?|version|versión|версии|версия|прошивк\w*"
    r"|build|release|firmware|update|android|ios|windows|driver|sürüm\w*|版本|バージョン|버전|الإصدار|إصدار|संस्करण)"
    r"[ .:#]{0,3}(?:v)?$"
)


def redact_emails(text: str, scan: Scan) -> str:
    """Return ``text`` without e-mail addresses, also "name (at) example.org"."""
    if "@" in text or "(" in text or "[" in text or "%40" in text or "＠" in text:
        return scan.replace(text, _emails(text))
    return text


def _emails(text: str) -> Iterator[Found]:
    done = 0
    for sign in _SIGN.finditer(text):
        at = sign.start()
        if at <= done:
            continue
        if text[at - 1] == " " and sign[0] in "[(":
            at -= 1
        domain = _DOMAIN.match(text, at)
        if domain is None:
            continue
        local = text[max(done, at - 64) : at]
        name = _name(local)
        if not name or local[: -len(name)].endswith(("@", "＠")):
            continue  # @user@server is the public name of an account
        done = domain.end()
        yield Found(at - len(name), done, Kind.EMAIL)


def _name(local: str) -> str:
    """Return the name that ``local`` ends with, "" if there is none."""
    rest = local.rstrip(_LOCAL)
    if rest[-1:].isalnum() and (word := _WORD_END.search(local)):
        return word[0].lstrip(_LOCAL_EDGES)
    if name := local[len(rest) :].lstrip(_LOCAL_EDGES):
        return name
    word = _ANY_END.search(local)
    return word[0].lstrip(_LOCAL_EDGES) if word else ""


def redact_ips(text: str, scan: Scan) -> str:
    """Return ``text`` without IP addresses; versions of four parts stay."""
    if _V4_DOTS.search(text):
        text = scan.replace(text, _v4(text))
    if text.count(":") > 2:
        text = scan.replace(text, _v6(text))
    return text


def _v4(text: str) -> Iterator[Found]:
    for match in _V4.finditer(text):
        start = match.start()
        if start and text[start - 1] in _BEFORE_NO_IP:
            continue
        if _is_ip(match[0]) and len(match[0]) > 8 and not _VERSION.search(before(text, start)):
            yield Found(start, match.end(), Kind.IP)


def _v6(text: str) -> Iterator[Found]:
    for match in _V6.finditer(text):
        if len(match[0]) > 6 and _is_ip(match[0]):
            yield Found(match.start(), match.end(), Kind.IP)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
