"""The file of sinks (``notifier.sinks_file``): who is told, by which way, of what.

.. code-block:: toml

    [sinks.default]            # a name that the contacts of the policy use in `via`
    kind = "slack"
    url = "https://hooks.slack.com/services/…"

    [sinks.crm]
    kind = "webhook"
    url = "https://crm.example.com/tocsin"
    secrets = ["whsec_…"]      # the first signs beside the second: rotation
    events = ["case.*", "followup.*"]

    [people.anna]              # how the sinks reach a person or team of the policy
    email = "anna@example.com"
    slack = "U0123"
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

MAX_SECRETS = 2
Timeout = Annotated[float, msgspec.Meta(gt=0, le=300)]
"""Seconds an attempt may take."""


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sink.

    ``events``: patterns of event kinds (``case.*``, ``reply.due``, ``insight.*``) that it follows, as a
    system; without them it is told only what is meant for targets that name it in ``via``. ``secrets``
    may be ``env:NAME``. ``options`` are those of the kind. ``tenants`` empty: all.
    """

    kind: str
    url: str = ""
    secrets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    options: Mapping[str, str] = {}
    disabled: bool = False
    allow_private: bool = False
    timeout_s: Timeout | None = None

    def follows(self, kind: str, tenant: str) -> bool:
        """Tell whether it follows events of this kind and tenant."""
        if self.tenants and tenant not in self.tenants:
            return False
        return any(fnmatchcase(kind, pattern) for pattern in self.events)


class Sinks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``people``: target → kind of address (email, slack, pagerduty, …) → address.

    ``writers``: how customers are written to, by channel: ``email``, ``phone`` (SMS), ``social``,
    ``reviews``.
    """

    sinks: Mapping[str, SinkSettings] = {}
    people: Mapping[str, Mapping[str, str]] = {}
    writers: Mapping[str, SinkSettings] = {}

    def address(self, target: str, kind: str) -> str | None:
        """Return how ``target`` is reached by a kind of address."""
        return self.people.get(target, {}).get(kind)
