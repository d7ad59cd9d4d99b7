"""Options of sources that are read, checked before the first request is made."""

from __future__ import annotations

import ipaddress
import math
import re
from urllib.parse import urlsplit

from services.ingest.registry import Configured
from shared.errors import Misconfigured


def required(source: Configured, name: str, pattern: str) -> str:
    """Return option ``name``, which goes into an address: it has to match ``pattern`` as a whole.

    Raises:
        Misconfigured: it is missing or of another form.
    """
    value = source.settings.option(name).strip()
    if not re.fullmatch(pattern, value, re.ASCII):
        meant = source.provider.options.get(name, name).removeprefix("required: ")
        raise Misconfigured(f"sources.{source.name}: option {name!r} should be the {meant}")
    return value


def seconds(source: Configured, name: str, default: float, least: float = 1.0) -> float:
    """Return option ``name`` as a number of seconds.

    Raises:
        Misconfigured: it is no number, or less than ``least``.
    """
    stated = source.settings.option(name)
    try:
        value = float(stated) if stated else default
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise Misconfigured(
            f"sources.{source.name}: option {name!r} should be at least {least:g} seconds"
        )
    return value


def address(source: Configured, name: str, default: str) -> str:
    """Return option ``name`` as an address without a slash at its end.

    Tokens are sent to it, so it is https; http does only for this machine itself.

    Raises:
        Misconfigured: it is no such address.
    """
    value = (source.settings.option(name) or default).strip().rstrip("/")
    if not safe(value):
        raise Misconfigured(f"sources.{source.name}: option {name!r} should be an https address")
    return value


def place(url: str) -> str:
    """Return ``url`` without its origin: what is asked for, wherever it is asked."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def safe(url: str) -> bool:
    """Tell whether a token may be sent to ``url``."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.username is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def within(url: str, base: str) -> bool:
    """Tell whether a token for ``base`` may be sent to ``url``, which ``base`` itself names.

    It may if that is the same host or one below it. Hosts beside it can belong to somebody else, and
    where one owner ends is in no rule of DNS: who knows better configures the address.
    """
    if not (safe(url) and safe(base)):
        return False
    host, own = (urlsplit(each).hostname or "" for each in (url, base))
    return host == own or host.endswith(f".{own}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
