"""The settings of whatever sends mail: where the relay is, and in whose name mails go out.

``url`` is ``smtp://user@relay.example:587`` (STARTTLS is required, but for a relay on this machine) or
``smtps://…:465`` (TLS from the first byte); the password is the first of ``secrets``. Options: ``from``,
``domain`` (of Message-IDs; default: that of ``from``), ``thread_secret`` (the newest of the source that
receives the answers), ``reply_to``, ``bounces``, ``starttls = "no"``, ``ca_file``.
"""

from __future__ import annotations

import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

from services.notifier.sinks.build import Making
from services.notifier.sinks.mail import Relay, Sender, mailbox, one_line
from shared.config import is_loopback

OPTIONS: Final = frozenset(
    {"from", "domain", "thread_secret", "reply_to", "bounces", "starttls", "ca_file"}
)
_PORTS: Final = {"smtp": 587, "smtps": 465}


def relay_of(making: Making) -> Relay:
    """Return the relay.

    Raises:
        Misconfigured: no such URL, or a password that would cross the network in the open.
    """
    try:
        url = urlsplit(making.hidden("url", making.settings.url))
        host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 0)
    except ValueError as error:
        raise making.wrong("url: not a URL") from error
    if url.scheme not in _PORTS or not host:
        raise making.wrong("url: must be smtp://host:port or smtps://host:port")
    secrets, user = making.settings.secrets, unquote(url.username or "")
    if url.password is not None:
        raise making.wrong("url: no password in a URL; it is the first of secrets")
    if bool(user) != bool(secrets):
        raise making.wrong("a user in url and a password in secrets go together")
    starttls = making.option("starttls", "")
    if starttls not in {"", "no"}:
        raise making.wrong('options.starttls: "no", or nothing')
    if starttls == "no" and user and url.scheme == "smtp" and not is_loopback(host):
        raise making.wrong(f"the password would go to {host} without TLS")
    offered = None if is_loopback(host) else True
    return Relay(
        host,
        port,
        making.timeout_s,
        implicit=url.scheme == "smtps",
        starttls=False if starttls == "no" else offered,
        user=user,
        password=making.hidden("secrets[0]", secrets[0]) if secrets else "",
        tls=_tls(making),
    )


def sender_of(making: Making) -> Sender:
    """Return in whose name mails go out.

    Raises:
        Misconfigured: an address is missing or none.
    """
    found: dict[str, str] = {}
    for name in ("reply_to", "bounces"):
        given = making.option(name, "")
        found[name] = _address(making, name, given) if given else ""
    try:
        address = mailbox(making.option("from"))
    except ValueError as error:
        raise making.wrong(f"options.from: {error}") from error
    return Sender(
        address,
        _domain(making, making.option("domain", address.domain)),
        making.option("thread_secret", ""),
        found["reply_to"],
        found["bounces"],
    )


def _address(making: Making, name: str, given: str) -> str:
    try:
        return mailbox(given).addr_spec
    except ValueError as error:
        raise making.wrong(f"options.{name}: {error}") from error


def _domain(making: Making, given: str) -> str:
    """Return what Message-IDs end with, in ASCII."""
    try:
        found = mailbox(f"tocsin@{given}")
    except ValueError as error:
        raise making.wrong("options.domain: no domain") from error
    if given.split() != [one_line(given)]:
        raise making.wrong("options.domain: no domain")
    return found.domain


def _tls(making: Making) -> ssl.SSLContext | None:
    file = making.option("ca_file", "")
    if not file:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise making.wrong(f"options.ca_file: {error.strerror or error}") from error
    except ValueError as error:  # a null byte
        raise making.wrong("options.ca_file: no path") from error
