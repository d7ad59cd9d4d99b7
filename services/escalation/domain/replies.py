"""What we say to the customer: receipts, replies, and replies that did not arrive."""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain import acknowledge, clocks
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseEventKind,
    Cause,
    Channel,
    ClockKind,
    Refusal,
    Reply,
)

MAX_REPLIES: Final = 8
"""How many of our messages a case remembers, to know the one that bounces."""


def receipt(draft: Draft, policy: Policy, note: str | None) -> None:
    """The customer was told that the message has arrived; an automatic message counts."""
    if not clocks.is_live(draft, ClockKind.RECEIPT):
        raise Refuse(Refusal.WRONG_STATE, "no receipt is awaited")
    clocks.fulfil(draft, policy, (ClockKind.RECEIPT,), draft.now)
    draft.emit(CaseEventKind.RECEIPT_SENT, Cause.COMMAND, note=note)


def reply(
    draft: Draft,
    policy: Policy,
    cause: Cause,
    *,
    at: int,
    by: str,
    message_id: str,
    channel: Channel | None = None,
    note: str | None = None,
) -> None:
    """A person has answered the customer publicly: clocks stop, the next promise begins.

    It acknowledges an open case as well: somebody works on it.
    """
    if draft.case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    record(draft, policy, at=at, by=by, message_id=message_id, channel=channel)
    if draft.case.state in Case.UNRESOLVED:
        acknowledge.implied(draft, policy)
        acknowledge.extend(draft, policy)
    draft.emit(CaseEventKind.REPLIED, cause, at=min(at, draft.now), note=note)


def record(
    draft: Draft,
    policy: Policy,
    *,
    at: int,
    by: str,
    message_id: str,
    channel: Channel | None = None,
    told: bool = False,
) -> None:
    """Stop the clocks that wait for an answer, and start the one of the next update."""
    at = min(at, draft.now)
    kinds = (*clocks.ANSWERS, ClockKind.UPDATE)
    earlier = [one for one in draft.case.clocks if one.started_at > at]
    fulfilled = clocks.fulfil(draft, policy, kinds, at, but=earlier)
    said = Reply(at=at, by=by, id=message_id, channel=channel, clocks=fulfilled, told=told)
    asked = draft.case.waiting_since
    draft.change(
        replies=(*draft.case.replies, said)[-MAX_REPLIES:],
        waiting_since=None if asked is None or asked <= at else asked,
    )
    if draft.case.state in Case.UNRESOLVED and not clocks.is_live(draft, ClockKind.UPDATE):
        clocks.start(draft, policy, ClockKind.UPDATE, message_id, at)


def bounced(draft: Draft, policy: Policy, message_id: str | None, cause: Cause) -> Reply | None:
    """Our message did not arrive: what it fulfilled goes on as if it had never been said.

    Returns:
        The message, or None when the case knows of none that could be meant.
    """
    said = _meant(draft.case.replies, message_id)
    if said is None:
        return None
    failed = msgspec.structs.replace(said, bounced=True)
    draft.change(replies=tuple(failed if one is said else one for one in draft.case.replies))
    clocks.cancel(draft, (ClockKind.UPDATE,))
    clocks.revoke(draft, policy, said.clocks)
    open_since = [
        one.started_at
        for one in draft.case.clocks
        if one.kind in {ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE}
        and one.state in clocks.LIVE
    ]
    if open_since:
        draft.change(waiting_since=min(open_since))
    draft.emit(CaseEventKind.REPLY_BOUNCED, cause, targets=clocks.owners(draft), detail=said.id)
    return failed


def _meant(replies: tuple[Reply, ...], message_id: str | None) -> Reply | None:
    """Return the message that is named, else the last one; None if that has bounced already."""
    named = [one for one in replies if one.id == message_id]
    said = named[-1] if named else next(reversed(replies), None)
    return None if said is None or said.bounced else said
