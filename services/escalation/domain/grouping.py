"""Where a feedback belongs: a new case, an open one, a resolved one, or none with its reason.

The first line that applies decides. *Its case* is the live (not closed) one that lists the item
already, else the live one of its thread; an unresolved case goes before a resolved one. What only
refers to a case (✎) changes neither its state, severity and clocks nor the count of its contacts.

| feedback | with a case | cause | without |
|---|---|---|---|
| deleted | ✎ the case that lists the item | ``deletion`` | no case: ``deleted`` |
| by an agent or a bot, or our own echo | ✎ its case | ``own_side`` | no case: ``own_side`` |
| by a machine: not ``human``, not ``bulk`` | ✎ its case | ``machine`` | no case: ``machine`` |
| item listed by an unresolved case | joins it, no contact | ``revision`` | – |
| … by a resolved one, negative, not milder | reopens it within its window | ``revision`` | – |
| … by a resolved one, milder or not negative | ✎ that case | ``revision`` | – |
| in the thread of an unresolved case | joins it | see below | – |
| said before (``repeat``) in an unresolved case | joins it, whatever the channel | see below | – |
| negative, without a thread, same issue | joins the unresolved case | see below | – |
| negative, thread or ``repeat`` of a resolved case | reopens it within its window | see below | – |
| … but written before it was resolved, or imported | ✎ that case | see below | – |
| a question in the thread of a settled case | reopens it within its window | see below | – |
| anything else in the thread of a settled case | ✎ that case | ``feedback`` | – |
| praise, suggestion (not imported) | joins an open one of its kind | see below | opens a case to thank |
| negative | | | opens a case, or one for each of its issues |
| anything else | | | no case: what it is |
| received before its customer was erased | | | no case: ``erased`` |

The cause of the rest is ``repeat_contact`` when intake marked a repetition, else ``feedback``.
Deletion before creation: nothing is known of the item then, so the creation that comes later is
treated like any other. Items are recognised as long as their case lists them (``Case.MAX_REFS``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

import msgspec

from services.escalation.domain.policy import Policy
from services.escalation.domain.severity import RANK
from shared import ids
from shared.events import (
    Case,
    CaseState,
    Cause,
    FeedbackClassified,
    FeedbackReceived,
    FeedbackRef,
    Flag,
    Kind,
    NoCaseReason,
    Operation,
    Origin,
    OutcomeKind,
    Repeat,
    Role,
    Severity,
)

ITEM_DIGITS: Final = 12
REFERRING: Final = frozenset({Cause.DELETION, Cause.OWN_SIDE, Cause.MACHINE})
"""What is only noted in a case."""

OPEN: Final = Case.UNRESOLVED | {CaseState.MERGED}
"""States in which a case takes what belongs to it; a merged one forwards it."""

_PEOPLE: Final = frozenset({Origin.HUMAN, Origin.BULK})
_OURS: Final = frozenset({Role.AGENT, Role.BOT})
_NO_CASE: Final = {
    Kind.PRAISE: NoCaseReason.PRAISE,
    Kind.QUESTION: NoCaseReason.QUESTION,
    Kind.SUGGESTION: NoCaseReason.SUGGESTION,
}


class Route(msgspec.Struct, frozen=True):
    """What becomes of a feedback, and as what; ``case`` is the one it joins or reopens.

    ``former`` is a case of the same matter that is over: the new one follows it up.
    """

    kind: OutcomeKind
    case: Case | None = None
    reason: NoCaseReason | None = None
    cause: Cause = Cause.FEEDBACK
    former: Case | None = None


def is_negative(item: FeedbackClassified) -> bool:
    """Tell whether the feedback asks for a case: a complaint, or anything above low."""
    found = item.classification
    return found.kind is Kind.COMPLAINT or found.severity is not Severity.LOW


def is_known(cases: Iterable[Case], feedback_id: str) -> bool:
    """Tell whether a live case still lists the feedback: a guard, not the dedupe of the handler."""
    return any(_lists(case, feedback_id) for case in cases)


def item_of(feedback: FeedbackReceived) -> str:
    """Return what all revisions of an item have in common; the recipe of intake's contacts."""
    return _item(feedback.tenant, feedback.source, feedback.native_id)


@lru_cache(maxsize=64)
def _item(tenant: str, source: str, native_id: str) -> str:
    """Remember the last ones: one decision asks for the same item several times."""
    return ids.digest(tenant, "item", source, native_id)[:ITEM_DIGITS]


def listed(case: Case, feedback: FeedbackReceived) -> FeedbackRef | None:
    """Return how ``case`` lists the item of ``feedback``, or None."""
    item = item_of(feedback)
    return next((ref for ref in case.feedback if ref.item == item), None)


def repeat_of(feedback: FeedbackReceived) -> Repeat | None:
    """Return the repetition that intake marked; a revision resembles itself, so that is none."""
    return feedback.repeat if feedback.op is Operation.CREATE else None


def standing(cases: Iterable[Case]) -> list[Case]:
    """Return the cases that may still take something; of those merged, the one that goes on.

    One that was merged into a case of another customer stands for it: it forwards.
    """
    return [case for case in cases if case.state is not CaseState.CLOSED and not _is_gone(case)]


def _is_gone(case: Case) -> bool:
    """Tell whether the case was merged into another one of the same customer."""
    into = case.merged_into
    return into is not None and ids.record_key_of_case(into) == case.record_key


def route(cases: Collection[Case], item: FeedbackClassified, now: int, policy: Policy) -> Route:
    """Return where ``item`` belongs among the ``cases`` of its customer."""
    feedback = item.feedback
    live = standing(cases) if cases else []
    holder = _about(_listing(live, feedback), item) if live else None
    if feedback.op is Operation.DELETE:
        return _reference(holder, Cause.DELETION, NoCaseReason.DELETED)
    threaded = _threaded(live, feedback)
    if feedback.origin is Origin.OWN_ECHO or (feedback.author and feedback.author.role in _OURS):
        return _reference(holder or _first(threaded), Cause.OWN_SIDE, NoCaseReason.OWN_SIDE)
    if feedback.origin not in _PEOPLE:
        case = holder or _bounced(cases, feedback) or _first(threaded)
        return _reference(case, Cause.MACHINE, NoCaseReason.MACHINE)
    revision = None if holder is None else _revision(holder, item, now, policy)
    found = revision or _message(live, threaded, item, now, policy)
    if cases and found.kind is OutcomeKind.CASE_OPENED:
        return msgspec.structs.replace(found, former=_former(cases, item))
    return found


def holders(cases: Iterable[Case], feedback: FeedbackReceived) -> list[Case]:
    """Return the cases that list an item: several for one that holds several matters."""
    return _listing(standing(cases), feedback)


def _listing(cases: Iterable[Case], feedback: FeedbackReceived) -> list[Case]:
    item = item_of(feedback)
    return [case for case in cases if any(ref.item == item for ref in case.feedback)]


def _former(cases: Collection[Case], item: FeedbackClassified) -> Case | None:
    feedback, repeat = item.feedback, repeat_of(item.feedback)
    return _first(
        case
        for case in cases
        if (feedback.thread_id is not None and case.thread_id == feedback.thread_id)
        or (repeat is not None and _lists(case, repeat.of))
        or listed(case, feedback) is not None
    )


def _reference(case: Case | None, cause: Cause, reason: NoCaseReason) -> Route:
    if case is None:
        return Route(OutcomeKind.NO_CASE, reason=reason, cause=cause)
    return Route(OutcomeKind.CASE_ATTACHED, case, cause=cause)


def _revision(holder: Case, item: FeedbackClassified, now: int, policy: Policy) -> Route | None:
    """Return the way of a further revision; None when it is too late to reopen its case."""
    before = listed(holder, item.feedback)
    milder = before is not None and RANK[item.classification.severity] < RANK[before.severity]
    if holder.state in OPEN or milder or not is_negative(item):
        return Route(OutcomeKind.CASE_ATTACHED, holder, cause=Cause.REVISION)
    if not _may_reopen(holder, now, policy):
        return None
    if _is_old(item.feedback, item.feedback.edited_at, holder):
        return Route(OutcomeKind.CASE_ATTACHED, holder, cause=Cause.REVISION)
    return Route(OutcomeKind.CASE_REOPENED, holder, cause=Cause.REVISION)


def _message(
    live: Collection[Case],
    threaded: Collection[Case],
    item: FeedbackClassified,
    now: int,
    policy: Policy,
) -> Route:
    """Return the way of something new that a person wrote."""
    repeat = repeat_of(item.feedback)
    cause = Cause.FEEDBACK if repeat is None else Cause.REPEAT_CONTACT
    if not live and is_negative(item):  # the usual case: nothing is there that it could join
        return Route(OutcomeKind.CASE_OPENED, cause=cause)
    said = [case for case in live if repeat is not None and _lists(case, repeat.of)]
    unresolved = _unresolved(threaded, item) or _unresolved(said, item)
    if unresolved is None and not is_negative(item):
        return _thanks(live, threaded, item, cause, now, policy)
    if unresolved is None and item.feedback.thread_id is None:
        unresolved = _first(case for case in live if _is_same_issue(case, item, now, policy))
    if unresolved is not None:
        return Route(OutcomeKind.CASE_ATTACHED, unresolved, cause=cause)
    for candidates in (threaded, said):
        resolved = _first(case for case in candidates if _may_reopen(case, now, policy))
        if resolved is not None:
            old = _is_old(item.feedback, item.feedback.occurred_at, resolved)
            kind = OutcomeKind.CASE_ATTACHED if old else OutcomeKind.CASE_REOPENED
            return Route(kind, resolved, cause=cause)
    return Route(OutcomeKind.CASE_OPENED, cause=cause)


def _thanks(
    live: Collection[Case],
    threaded: Collection[Case],
    item: FeedbackClassified,
    cause: Cause,
    now: int,
    policy: Policy,
) -> Route:
    """Return the way of what is no complaint: praise and suggestions are answered as well."""
    kind = item.classification.kind
    said = _first(threaded)
    if said is not None:
        asks = kind is Kind.QUESTION and _may_reopen(said, now, policy)
        if asks and not _is_old(item.feedback, item.feedback.occurred_at, said):
            return Route(OutcomeKind.CASE_REOPENED, said, cause=cause)
        return Route(OutcomeKind.CASE_ATTACHED, said)
    flags = item.feedback.flags
    if kind not in policy.thanks or Flag.BACKFILL in flags or Flag.SPAM in flags:
        return Route(OutcomeKind.NO_CASE, reason=_NO_CASE.get(kind, NoCaseReason.NOT_NEGATIVE))
    same = _first(
        case
        for case in live
        if case.kind is kind
        and case.state in Case.UNRESOLVED
        and now - case.opened_at <= policy.grouping_ms
    )
    if same is not None:
        return Route(OutcomeKind.CASE_ATTACHED, same, cause=cause)
    return Route(OutcomeKind.CASE_OPENED, cause=cause)


def _is_old(feedback: FeedbackReceived, written_at: int | None, case: Case) -> bool:
    """Tell whether it was written before the case was resolved, and so says nothing against that."""
    if Flag.BACKFILL in feedback.flags:
        return True
    return written_at is not None and case.resolved_at is not None and written_at < case.resolved_at


def _threaded(cases: Collection[Case], feedback: FeedbackReceived) -> list[Case]:
    """Return the cases of a thread; those that began in it go before those that took it over."""
    thread = feedback.thread_id
    if thread is None:
        return []
    own = [case for case in cases if case.thread_id == thread]
    return own or [case for case in cases if thread in case.threads]


def _bounced(cases: Iterable[Case], feedback: FeedbackReceived) -> Case | None:
    """Return the case whose message did not arrive: a closed one as well, nobody was told then."""
    if feedback.origin is not Origin.BOUNCE_HARD or feedback.parent_id is None:
        return None
    return _first(
        case
        for case in cases
        if not _is_gone(case) and any(said.id == feedback.parent_id for said in case.replies)
    )


def _lists(case: Case, feedback_id: str) -> bool:
    return any(ref.feedback_id == feedback_id for ref in case.feedback)


def _is_same_issue(case: Case, item: FeedbackClassified, now: int, policy: Policy) -> bool:
    """Without a thread: same channel, recent, and nothing says that it is about something else."""
    reasons = item.classification.reasons
    return (
        case.state in Case.UNRESOLVED
        and case.kind not in policy.thanks
        and case.channel is item.feedback.channel
        and now - case.opened_at <= policy.grouping_ms
        and (not reasons or not case.reasons or not set(reasons).isdisjoint(case.reasons))
    )


def _may_reopen(case: Case, now: int, policy: Policy) -> bool:
    if case.state not in Case.SETTLING or case.resolved_at is None:
        return False
    return now - case.resolved_at <= policy.plan_for(case).reopen_ms


def _unresolved(cases: Collection[Case], item: FeedbackClassified) -> Case | None:
    """Return the newest open case, of a bundle the one that is about the same."""
    if not cases:
        return None
    reasons = item.classification.reasons
    return max(
        (case for case in cases if case.state in OPEN),
        key=lambda case: (
            bool(reasons) and not set(reasons).isdisjoint(case.reasons),
            case.opened_at,
            -case.part,
            case.case_id,
        ),
        default=None,
    )


def _about(cases: Collection[Case], item: FeedbackClassified) -> Case | None:
    """Return the part of a bundle that is about the same, else the first one."""
    if not cases:
        return None
    return _unresolved(cases, item) or _first(cases)


def _first(cases: Iterable[Case]) -> Case | None:
    """Return the newest unresolved case, else the newest one; of a bundle the most urgent."""
    return max(
        cases,
        key=lambda case: (case.state in OPEN, case.opened_at, -case.part, case.case_id),
        default=None,
    )
