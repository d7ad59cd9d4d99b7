"""A scripted support agent for the bundled sample: does part of the work, and leaves part of it.

It acknowledges, resolves, tells the customer and follows up; it thanks for praise, and decides on
suggestions.

What it does with a case depends on the case id alone, so a run can be repeated: some cases are
acknowledged in time, some only after a re-escalation, some never; follow-ups are done for some and
forgotten for others.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.clock import Clock
from shared.events import (
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    Clarification,
    CommandKind,
    Kind,
    Resolution,
    Struct,
    Verdict,
)
from shared.ids import digest

ACTOR = "demo-agent"
_CLEAR = Clarification(not_needed="what is wrong stands in the message")
_RESOLUTION = Resolution(
    outcome="done as the customer asked",
    reason="the complaint was justified",
    next_step="we ask again whether all is well",
)

Send = Callable[[CaseCommand], None]


class Agent:
    """Reacts to case events with commands.

    Args:
        send: produces a command.
        clock: tells the policy time that commands carry.
    """

    def __init__(self, send: Send, clock: Clock) -> None:
        self._send = send
        self._clock = clock

    def take(self, event: Struct) -> None:
        """Do what the script says about ``event``."""
        if not isinstance(event, CaseEvent) or event.case is None:
            return
        temper = int(event.case_id[-4:], 16) % 10
        match event.kind:
            case CaseEventKind.ESCALATION_TRIGGERED if temper < 7:
                self._command(event, CommandKind.ACKNOWLEDGE)
            case CaseEventKind.REESCALATED if temper in {7, 8}:
                self._command(event, CommandKind.ACKNOWLEDGE)
            case CaseEventKind.ACKNOWLEDGED if temper != 6:
                self._command(
                    event,
                    CommandKind.RESOLVE,
                    clarification=_CLEAR,
                    resolution=_RESOLUTION,
                )
            case CaseEventKind.RESOLVED if temper != 5:
                self._command(event, CommandKind.COMMUNICATE)
            case CaseEventKind.OPENED if event.case.kind is Kind.PRAISE and temper != 9:
                self._command(event, CommandKind.REPLY, note="thank you")
            case CaseEventKind.OPENED if event.case.kind is Kind.SUGGESTION and temper != 9:
                self._command(
                    event, CommandKind.DECIDE, verdict=Verdict.PLANNED, note="it is on the list"
                )
            case CaseEventKind.DECIDED:
                self._command(event, CommandKind.COMMUNICATE)
            case CaseEventKind.FOLLOW_UP_DUE if temper in {0, 1, 2, 3, 7}:
                self._command(event, CommandKind.FOLLOW_UP_DONE)
            case _:
                pass

    def _command(
        self,
        event: CaseEvent,
        kind: CommandKind,
        *,
        note: str | None = None,
        clarification: Clarification | None = None,
        resolution: Resolution | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        follow_up = event.follow_up.number if event.follow_up else None
        command_id = digest(event.tenant, "demo", event.case_id, str(event.case_seq), kind)
        self._send(
            CaseCommand(
                command_id=command_id,
                tenant=event.tenant,
                case_id=event.case_id,
                kind=kind,
                actor=ACTOR,
                at=self._clock.now_ms(),
                follow_up=follow_up,
                note=note,
                clarification=clarification,
                resolution=resolution,
                verdict=verdict,
            )
        )
