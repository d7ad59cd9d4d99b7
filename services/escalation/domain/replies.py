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
    CaseCommand,
    CaseEventKind,
    Cause,
    Channel,
    ClockKind,
    Refusal,
    Reply,
)

MAX_REPLIES: Final = 8
"""How many of our messages a case remembers, to know the one that bounces."""


def promise(draft: Draft, policy: Policy, instance: str, said_at: int) -> None:
    """A problem was told: a receipt, an answer and a resolution are promised.

    Of a bundle one case sends the receipt for all.
    """
    draft.change(waiting_since=said_at)
    now = draft.now
    starts = [(ClockKind.FIRST_RESPONSE, said_at), *((kind, now) for kind in clocks.RESOLUTION)]
    if draft.case.part == 0:
        starts.insert(0, (ClockKind.RECEIPT, now))
    clocks.start_all(draft, policy, starts, instance)


def receipt(draft: Draft, policy: Policy, command: CaseCommand, note: str | None) -> None:
    """The customer was told that the message has arrived; an automatic message counts."""
    if not clocks.is_live(draft, ClockKind.RECEIPT):
        raise Refuse(Refusal.WRONG_STATE, "no receipt is awaited")
    _remember(
        draft,
        Reply(
            at=draft.now,
            by=command.actor,
            id=command.message_id or command.command_id,
            channel=command.channel,
            clocks=clocks.fulfil(draft, policy, (ClockKind.RECEIPT,), draft.now),
        ),
    )
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
    replies = draft.case.replies
    if not told and any(one.id == message_id and not one.bounced for one in replies):
        return  # reported by whoever wrote it, and seen on the channel
    kinds = (*clocks.ANSWERS, ClockKind.UPDATE)
    fulfilled = clocks.fulfil(draft, policy, kinds, at, said=True)
    said = Reply(at=at, by=by, id=message_id, channel=channel, clocks=fulfilled, told=told)
    _remember(draft, said)
    _wait_for_the_next(draft, policy, at)
    if draft.case.state in Case.UNRESOLVED and not clocks.is_live(draft, ClockKind.UPDATE):
        # Not later than now: a case that a wrong clock opened may be opened in the future.
        since = min(draft.now, max(at, draft.case.opened_at))
        clocks.start(draft, policy, ClockKind.UPDATE, message_id, since)


def answers(case: Case, said_at: int) -> bool:
    """Tell whether what we said at ``said_at`` can be about this: the customer had spoken by then."""
    if case.waiting_since is not None:
        return said_at >= case.waiting_since
    return said_at >= min((ref.received_at for ref in case.feedback), default=case.opened_at)


def meant(case: Case, message_id: str | None, *, exactly: bool = False) -> Reply | None:
    """Return the message of ours that bounced: the one that is named, else the last one.

    A bounce that names a message nobody knows means some message all the same, unless it has to be
    ``exactly`` that one. None when there is none, or that one has bounced already.
    """
    named = [one for one in case.replies if one.id == message_id]
    if not named and not (exactly and message_id):
        named = list(case.replies)
    return named[-1] if named and not named[-1].bounced else None


def bounced(draft: Draft, policy: Policy, said: Reply, cause: Cause) -> None:
    """Our message did not arrive: what it fulfilled goes on as if it had never been said.

    In a case that has ended nothing goes on.
    """
    _replace(draft, said, msgspec.structs.replace(said, bounced=True))
    if draft.case.state not in Case.ENDED:
        clocks.withdraw(draft, ClockKind.UPDATE, said.id)
        _take_back(draft, policy, said)
    open_since = [
        one.started_at
        for one in draft.case.clocks
        if one.kind in clocks.RESPONSES and one.state in clocks.LIVE
    ]
    if open_since:
        draft.change(waiting_since=min(open_since))
    told = clocks.owners(draft, policy.fallback)
    draft.emit(CaseEventKind.REPLY_BOUNCED, cause, targets=told, detail=said.id)


def _wait_for_the_next(draft: Draft, policy: Policy, at: int) -> None:
    """What the customer asked after our last word is unanswered, though we learn of that word late."""
    case = draft.case
    heard = max([at, *(one.at for one in case.replies if _is_answer(one))])
    unheard = [ref for ref in case.feedback if ref.asked_at is not None and ref.asked_at > heard]
    oldest = min(unheard, key=lambda ref: ref.asked_at or 0, default=None)
    if oldest is not None and oldest.asked_at is not None:
        draft.change(waiting_since=oldest.asked_at)
        name = oldest.feedback_id
        clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, name, oldest.asked_at)
    elif case.waiting_since is not None and case.waiting_since <= at:
        draft.change(waiting_since=None)


def _take_back(draft: Draft, policy: Policy, said: Reply) -> None:
    """What it fulfilled goes on, unless something that we said later did arrive."""
    standing = [one for one in draft.case.replies if _is_answer(one) and one.at >= said.at]
    later = min(standing, key=lambda one: one.at, default=None)
    if later is None:
        clocks.revoke(draft, policy, said.clocks)
        return
    moved = clocks.revoke(draft, policy, said.clocks, later.at)
    _replace(draft, later, msgspec.structs.replace(later, clocks=(*later.clocks, *moved)))


def _is_answer(said: Reply) -> bool:
    """Tell whether a message of ours has arrived, as far as is known, and is more than a receipt."""
    receipt_only = said.clocks and all(
        name.startswith(f"{ClockKind.RECEIPT}/") for name in said.clocks
    )
    return not said.bounced and not receipt_only


def _remember(draft: Draft, said: Reply) -> None:
    draft.change(replies=(*draft.case.replies, said)[-MAX_REPLIES:])


def _replace(draft: Draft, old: Reply, new: Reply) -> None:
    draft.change(replies=tuple(new if one is old else one for one in draft.case.replies))
