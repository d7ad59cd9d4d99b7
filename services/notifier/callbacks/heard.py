"""What call-backs say, whatever platform they come from. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from services.notifier.sinks.reference import parse_page_key


class Malformed(Exception):
    """A proven request that cannot be read; the message says what is wrong with it."""


class Ignored(enum.StrEnum):
    """Why a proven request asks nothing of us."""

    PING = "ping"
    OTHER_EVENT = "other_event"
    NOT_OURS = "not_ours"


class Page(NamedTuple):
    """What was acknowledged: an epoch of a case."""

    case_id: str
    epoch: int

    @property
    def tenant(self) -> str:
        """Whose case it is."""
        return self.case_id.partition(":")[0]


class Heard(NamedTuple):
    """Somebody acknowledged a page.

    ``event_id`` is the same when the platform sends this again. ``addresses`` are kinds of address with
    what the platform says of the person; ``name`` is how it calls them. ``reply_to`` is where the
    message that was acted on can be changed, ``text`` what it said.
    """

    event_id: str
    page: Page
    addresses: tuple[tuple[str, str], ...] = ()
    name: str = ""
    reply_to: str = ""
    text: str = ""


class Door(NamedTuple):
    """Where a platform calls back: one sink. Up to two secrets are valid at the same time."""

    name: str
    kind: str
    secrets: tuple[bytes, ...] = ()
    tenants: tuple[str, ...] = ()
    people: Mapping[str, Mapping[str, str]] = {}
    allow_private: bool = False

    def who(self, heard: Heard) -> str:
        """Return the person of the policy who acted, ``integration:<sink>`` for one who is unknown."""
        for kind, address in heard.addresses:
            for target, known in self.people.items():
                if address and known.get(kind, "").casefold() == address.casefold():
                    return target
        return f"integration:{self.name}"


def page_of(key: str) -> Page | None:
    """Return the page that a key names, None if it is none of ours."""
    found = parse_page_key(key)
    return None if found is None else Page(*found)
