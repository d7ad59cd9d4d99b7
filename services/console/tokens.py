"""Who may call the API, and what they may do."""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass
from hmac import compare_digest

from shared.bearer import bearer
from shared.errors import Misconfigured

MIN_TOKEN = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Role(enum.IntEnum):
    """What a caller may do; each role may do what those below it may.

    ``VIEWER`` reads; ``AGENT`` works on cases; ``LEAD`` also decides what takes protection away or
    concerns other customers; ``ADMIN`` erases.
    """

    VIEWER = 1
    AGENT = 2
    LEAD = 3
    ADMIN = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """Whoever holds a token. ``name`` stands in the record as the actor."""

    name: str
    role: Role


class Tokens:
    """The tokens of ``console.tokens``: ``name:role:token`` separated by commas.

    Raises:
        Misconfigured: an entry is not of that form; the message never holds the token.
    """

    def __init__(self, setting: str) -> None:
        entries = [entry.strip() for entry in setting.split(",") if entry.strip()]
        self._callers = [_entry(entry, number) for number, entry in enumerate(entries, 1)]

    def __bool__(self) -> bool:
        return bool(self._callers)

    def who(self, authorization: str | None) -> Caller | None:
        """Return whose token an ``Authorization`` header holds, None for a stranger.

        All tokens are compared, each in constant time.
        """
        given = bearer(authorization)
        if given is None:
            return None
        digest = _digest(given)
        found = [caller for known, caller in self._callers if compare_digest(known, digest)]
        return found[0] if found else None


def _digest(token: bytes) -> bytes:
    """Return what is kept and compared of a token: of one length, and not the token."""
    return hashlib.blake2b(token, digest_size=32).digest()


def _entry(entry: str, number: int) -> tuple[bytes, Caller]:
    name, _, rest = entry.partition(":")
    role, _, token = rest.partition(":")
    here = f"console.tokens: entry {number}"
    if not token:
        raise Misconfigured(f"{here} is not 'name:role:token'")
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{here}: a name has letters, digits and . _ @ -, up to 64")
    known = {str(one): one for one in Role}
    if role not in known:
        raise Misconfigured(f"{here}: the role is one of {', '.join(known)}")
    if len(token) < MIN_TOKEN:
        raise Misconfigured(f"{here}: a token has {MIN_TOKEN} characters or more")
    return _digest(token.encode()), Caller(name, known[role])
