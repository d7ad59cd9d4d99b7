"""Everything else that Apprise knows, by its URLs: https://github.com/caronc/apprise/wiki.

``url`` is one of them or, better, ``env:NAME`` with one; what a person in ``people`` has as
``apprise`` comes first. Apprise blocks, so each message has a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import apprise

from services.notifier.domain.plan import targets_in
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.build import Making
from services.notifier.sinks.plain import text_of, title_of
from services.notifier.sinks.telling import Telling, telling
from shared.daemon import in_daemon
from shared.events import Notification, NotificationKind, Severity

ADDRESS: Final = "apprise"
_KINDS: Final = {
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
    Severity.HIGH: apprise.NotifyType.WARNING,
}

People = Mapping[str, Mapping[str, str]]


class AppriseSink:
    """Tells people by one URL each.

    Args:
        to: the URL for whoever has none, "" without one.
    """

    def __init__(self, name: str, to: str, people: People, timeout_s: float) -> None:
        self.name = name
        self._to = to
        self._people = people
        self._timeout_s = timeout_s

    @classmethod
    def made(cls, making: Making) -> AppriseSink:
        """Return the sink of its settings.

        Raises:
            Misconfigured: there is no URL at all, or none that Apprise knows.
        """
        making.only(())
        to = making.hidden("url", making.settings.url)
        if not to and not any(one.get(ADDRESS) for one in making.people.values()):
            raise making.wrong(f"url is missing, and nobody in people has one as {ADDRESS}")
        # Its warnings name URLs, which hold secrets, and so does that of the next line.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        if to and not apprise.Apprise().add(to):
            raise making.wrong("url: Apprise knows no such URL")
        return cls(making.name, to, making.people, making.timeout_s)

    async def deliver(self, notification: Notification) -> Result:
        """Tell all of them. Apprise says only whether it worked, so whatever did not is tried again."""
        if notification.kind is NotificationKind.CUSTOMER:
            return Result(Verdict.PERMANENT, "this sink tells people, not customers")
        teller, urls = apprise.Apprise(), self._urls(notification)
        if not urls:
            return Result(Verdict.PERMANENT, f"no URL for {notification.target!r}")
        if not all(teller.add(url) for url in urls):
            return Result(Verdict.PERMANENT, "Apprise does not know the URL of a target")
        fault = await self._told(teller, telling(notification))
        if fault:
            return Result(Verdict.RETRYABLE, fault, fault=True)
        return Result(Verdict.DELIVERED)

    async def close(self) -> None:
        """Nothing stays open between two messages."""

    async def _told(self, teller: apprise.Apprise, said: Telling) -> str:
        """Return why not everybody was told, "" when everybody was."""
        kind = _KINDS.get(said.severity, apprise.NotifyType.INFO)

        def tell() -> bool:
            return bool(teller.notify(body=text_of(said), title=title_of(said), notify_type=kind))

        try:
            async with asyncio.timeout(self._timeout_s):
                return (
                    "" if await in_daemon(tell, "apprise") else "Apprise could not tell everybody"
                )
        except TimeoutError:
            return f"Apprise has not ended within {self._timeout_s:g} s"
        except Exception as error:  # noqa: BLE001  a hundred plugins, whose messages may name URLs
            return f"Apprise: {type(error).__name__}"

    def _urls(self, notification: Notification) -> list[str]:
        found = (
            self._people.get(one, {}).get(ADDRESS, "") or self._to
            for one in targets_in(notification)
        )
        return list(dict.fromkeys(filter(None, found))) or ([self._to] if self._to else [])
