"""E-mail to people: plain text, one thread a case.

All mails of a case refer to one Message-ID that nobody ever sent: mail programs group what has a
common ancestor, whichever of them arrives (RFC 5322, 3.6.4). What a person in ``people`` has as
``email`` is written to; whoever has none, at the option ``to``. The options ``per_hour`` and
``per_day`` bound what one address gets; what is above waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from email.headerregistry import Address
from typing import Final

from services.notifier.customers.budgets import Budgets, Keys, Limits, MemoryBudgets
from services.notifier.domain.plan import targets_in
from services.notifier.ports import Result, Verdict
from services.notifier.sinks import mail_settings
from services.notifier.sinks.build import Making
from services.notifier.sinks.mail import Content, Relay, Sender, mailbox, written
from services.notifier.sinks.plain import text_of, title_of
from services.notifier.sinks.reference import subject_key
from services.notifier.sinks.telling import telling
from shared import ids
from shared.clock import SystemClock
from shared.errors import Transient
from shared.events import Notification, NotificationKind

ADDRESS: Final = "email"
WAIT_S: Final = 600.0
"""When to look again whether an address may get more."""
OPTIONS: Final = (mail_settings.OPTIONS - {"bounces"}) | {"to", "per_hour", "per_day"}
DEFAULTS: Final = Limits(per_hour=60, per_day=300)
"""Enough for a bad day; a loop of programs that write to one another ends here."""

MOST_DONE: Final = 10_000
"""Of so many mails that wait for one of their readers it is remembered who has them; beyond, they get
the same mail again."""

_AGAIN: Final = Result(Verdict.RETRYABLE)
_ORDER: Final = (Verdict.RETRYABLE, Verdict.DELIVERED, Verdict.PERMANENT)

People = Mapping[str, Mapping[str, str]]


class SmtpSink:
    """Writes to people.

    Args:
        to: whom it writes to when none of the targets has an address.
        now: wall clock, ms.
    """

    def __init__(
        self,
        name: str,
        relay: Relay,
        sender: Sender,
        people: People,
        to: Address | None,
        budgets: Budgets,
        keys: Keys,
        limits: Limits,
        now: Callable[[], int],
    ) -> None:
        self.name = name
        self._relay = relay
        self._sender = sender
        self._people = people
        self._to = to
        self._budgets = budgets
        self._keys = keys
        self._limits = limits
        self._now = now
        self._done: dict[str, dict[str, Result]] = {}

    @classmethod
    def made(cls, making: Making) -> SmtpSink:
        """Return the sink of its settings.

        Raises:
            Misconfigured: one of them is missing, wrong or unknown.
        """
        making.only(OPTIONS)
        to = making.option("to", "")
        try:
            fallback = mailbox(to) if to else None
        except ValueError as error:
            raise making.wrong(f"options.to: {error}") from error
        limits = Limits(
            _count(making, "per_hour", DEFAULTS.per_hour),
            _count(making, "per_day", DEFAULTS.per_day),
        )
        clock = SystemClock(making.config.clock.speedup, making.config.clock.epoch_ms)
        return cls(
            making.name,
            mail_settings.relay_of(making),
            mail_settings.sender_of(making),
            making.people,
            fallback,
            MemoryBudgets(),
            Keys(making.config.privacy.pseudonym_key.encode()),
            limits,
            clock.now_ms,
        )

    async def deliver(self, notification: Notification) -> Result:
        """Write one mail to each address; delivered when one has it and no other can be tried again.

        Who has it gets it no second time while the others are tried again.
        """
        if notification.kind is NotificationKind.CUSTOMER:
            return Result(Verdict.PERMANENT, "this sink writes to people, not to customers")
        addresses = list(self._addresses(notification))
        if not addresses:
            return Result(Verdict.PERMANENT, f"no e-mail address of {notification.target!r}")
        done = self._done.pop(notification.notification_id, {})
        for one in addresses:
            if done.get(one.addr_spec, _AGAIN).verdict is Verdict.RETRYABLE:
                done[one.addr_spec] = await self._write(notification, one)
        found = min(done.values(), key=lambda result: _ORDER.index(result.verdict))
        if found.verdict is Verdict.RETRYABLE:
            self._done[notification.notification_id] = done
            if len(self._done) > MOST_DONE:
                del self._done[next(iter(self._done))]
        return found

    async def close(self) -> None:
        """Nothing stays open between two mails."""

    def _addresses(self, notification: Notification) -> Iterable[Address]:
        known: dict[str, Address] = {}
        for target in targets_in(notification):
            try:
                found = mailbox(self._people.get(target, {}).get(ADDRESS, ""))
            except ValueError:
                continue
            known.setdefault(found.addr_spec, found)
        return known.values() or ([self._to] if self._to else [])

    async def _write(self, notification: Notification, to: Address) -> Result:
        content = self._content(notification, to)
        claim = self._keys.claim(content.name, self._now(), to.addr_spec, content.name)
        try:
            why = await self._budgets.claim(claim, self._limits)
        except Transient as error:
            return Result(Verdict.RETRYABLE, str(error))
        if why:
            return Result(Verdict.RETRYABLE, why, retry_after_s=WAIT_S)
        return await self._relay.send(written(content, self._sender))

    def _content(self, notification: Notification, to: Address) -> Content:
        said, subject = telling(notification), subject_key(notification)
        thread = ids.digest(notification.tenant, "mail-thread", subject)
        short = f" ({subject.rpartition(':')[2]})" if notification.case_id else ""
        return Content(
            name=ids.digest(
                notification.tenant, "mail", notification.notification_id, to.addr_spec
            ),
            to=to,
            subject=title_of(said) + short,
            text=text_of(said),
            automatic="auto-generated",
            at=self._now(),
            references=(f"{thread}@{self._sender.domain.lower()}",),
            headers=(("List-Id", f"Tocsin <tocsin.{self._sender.domain.lower()}>"),),
        )


def _count(making: Making, name: str, default: int) -> int:
    given = making.option(name, str(default))
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise making.wrong(f"options.{name}: a number above 0")
    return int(given)
