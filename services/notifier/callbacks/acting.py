"""An acknowledgement that was heard becomes a command, if the page still stands."""

from __future__ import annotations

import asyncio
import enum
from typing import Final, NamedTuple, Protocol

from services.notifier.callbacks.heard import Door, Heard, Page
from services.notifier.ports import Standing
from shared import ids
from shared.clock import Clock
from shared.errors import Transient
from shared.events import CaseCommand, CommandKind

WITHIN_S: Final = 2.5
"""Slack waits for three seconds."""

MAX_NOTE: Final = 200


class Commands(Protocol):
    """The way to the cases: returns when Kafka has the command, else ``Transient``."""

    async def send(self, command: CaseCommand) -> None:
        """Send a command."""
        ...


class Outcome(enum.StrEnum):
    """What became of an acknowledgement."""

    SENT = "acknowledged"
    ALREADY = "already_acknowledged"
    STALE = "stale"
    UNKNOWN = "unknown_case"


class Told(NamedTuple):
    """What became of it, and by whom it was acknowledged."""

    outcome: Outcome
    actor: str


class Acting:
    """Acknowledges pages for those who did so elsewhere.

    Of a case whose state cannot be learnt nothing is acknowledged: it could be a later page, which
    nobody has seen. The platform tries again.
    """

    def __init__(self, standing: Standing, commands: Commands, clock: Clock) -> None:
        self._standing = standing
        self._commands = commands
        self._clock = clock

    async def acknowledge(self, door: Door, heard: Heard) -> Told:
        """Send the command that follows, if one does.

        Raises:
            Transient: the view or Kafka does not answer in time.
        """
        actor = door.who(heard)
        try:
            async with asyncio.timeout(WITHIN_S):
                outcome = await self._stands(door, heard.page)
                if outcome is Outcome.SENT:
                    await self._commands.send(self._command(door, heard, actor))
        except TimeoutError as error:
            raise Transient(f"no answer within {WITHIN_S:g} s") from error
        return Told(outcome, actor)

    async def _stands(self, door: Door, page: Page) -> Outcome:
        if door.tenants and page.tenant not in door.tenants:
            return Outcome.UNKNOWN
        found = await self._standing.of([page.case_id])
        if page.case_id not in found:
            return Outcome.UNKNOWN
        now = found[page.case_id]
        if now is None:
            raise Transient("the view of the cases is being rebuilt")
        if now.epoch > page.epoch:
            return Outcome.STALE
        if now.epoch < page.epoch:
            raise Transient("the view of the cases is behind the page")
        return Outcome.SENT if now.awaits else Outcome.ALREADY

    def _command(self, door: Door, heard: Heard, actor: str) -> CaseCommand:
        page = heard.page
        unknown = heard.name if actor not in door.people else ""
        return CaseCommand(
            command_id=ids.digest(page.tenant, "callback", door.name, heard.event_id),
            tenant=page.tenant,
            case_id=page.case_id,
            kind=CommandKind.ACKNOWLEDGE,
            actor=actor,
            at=self._clock.now_ms(),
            note=f"by {unknown[:MAX_NOTE]}" if unknown else None,
            epoch=page.epoch,  # the case decides: the view may not know yet of a later one
        )
