"""What a feedback does to a case: open it, join it, raise its severity, reopen it, be noted in it.

One that holds several matters opens a bundle: a case each, the most urgent first, and one receipt.

Imported history (``Flag.BACKFILL``) does all that as well but starts no ladder: a case that knows
nothing else is ``backfilled`` until a negative feedback comes that is new, and starts the escalation.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain import (
    acknowledge,
    clocks,
    escalation,
    follow_up,
    grouping,
    lifecycle,
    reading,
    reopening,
    replies,
    retargeting,
    thanking,
)
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.severity import RANK, higher, one_up
from shared import ids
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    EscalationStatus,
    FeedbackClassified,
    FeedbackRef,
    Issue,
    Kind,
    Reason,
    Severity,
)

THIRD_CONTACT: Final = 3

_RUNNING: Final = frozenset({
    EscalationStatus.PENDING, EscalationStatus.EXHAUSTED, EscalationStatus.ACKNOWLEDGED,
})  # fmt: skip


def parts_of(item: FeedbackClassified, policy: Policy) -> tuple[Issue | None, ...]:
    """Return the matters that a feedback opens cases for, the most urgent first; None is all of it.

    It is split only when two or more of its issues are problems for different reasons.
    """
    issues: list[Issue] = []
    taken = set[Reason]()
    for issue in sorted(
        item.classification.issues, key=lambda one: (-RANK[one.severity], one.start)
    ):
        is_problem = issue.kind is Kind.COMPLAINT or issue.severity is not Severity.LOW
        if is_problem and issue.reasons and taken.isdisjoint(issue.reasons):
            issues.append(issue)
            taken.update(issue.reasons)
    if len(issues) < 2:
        return (None,)
    others = {reason for issue in issues[1 : policy.max_split] for reason in issue.reasons}
    rest = tuple(r for r in item.classification.reasons if r not in others)
    first = msgspec.structs.replace(
        issues[0], reasons=tuple(dict.fromkeys((*issues[0].reasons, *rest)))
    )
    return (first, *issues[1 : policy.max_split])


def new_case(
    item: FeedbackClassified,
    now: int,
    part: int = 0,
    issue: Issue | None = None,
    former: Case | None = None,
) -> Case:
    """Return the case that ``item``, or one issue of it, is about to open, before its first event.

    It follows up the ``former`` one of the same matter; that this has been said often stays true.
    """
    feedback, found = item.feedback, item.classification
    customer = feedback.record_key.removeprefix(f"{feedback.tenant}:")
    opening = f"{feedback.feedback_id}#{part}" if part else feedback.feedback_id
    severity, kind = found.severity, found.kind
    if issue is not None and part:
        severity, kind = issue.severity, issue.kind
    return Case(
        case_id=ids.case_id(feedback.tenant, customer, opening),
        tenant=feedback.tenant,
        record_key=feedback.record_key,
        customer_key=feedback.customer_key,
        channel=feedback.channel,
        source=feedback.source,
        severity=severity,
        kind=kind,
        state=CaseState.OPEN,
        opened_at=now,
        case_seq=0,
        thread_id=feedback.thread_id,
        feedback_count=0,
        language=found.language or feedback.language,
        themes=found.themes,
        bundle=None if issue is None else feedback.feedback_id,
        part=part,
        may_auto_respond=feedback.may_auto_respond,
        follow_up_of=None if former is None else former.case_id,
        reasons=() if former is None else _inherited(former),
    )


def _inherited(former: Case) -> tuple[Reason, ...]:
    return (Reason.REPEAT_CONTACT,) if Reason.REPEAT_CONTACT in former.reasons else ()


def open_case(
    draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy, issue: Issue | None = None
) -> None:
    """Record the opening, start the clocks and the escalation."""
    repeated = _add(draft, item, cause, issue)
    thanks = draft.case.kind in policy.thanks and not grouping.is_negative(item)
    _join_team(draft, policy, thanks=thanks)
    if reading.is_imported(item):
        escalation.hold(draft)
    elif thanks:
        clocks.start(draft, policy, ClockKind.THANK_YOU, item.feedback.feedback_id, draft.now)
        draft.change(waiting_since=draft.now)
    else:
        _start_clocks(draft, item, policy)
    draft.emit(CaseEventKind.OPENED, cause)
    if issue is None:
        _raise_severity(draft, item, policy, repeated=repeated)
    if not thanks:
        _escalate(draft, item, policy, Cause.FEEDBACK)


def attach(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Add a feedback to an unresolved case; new evidence may raise the severity, never lower it."""
    repeated = _add(draft, item, cause)
    turned = _turn_into_complaint(draft, item, policy)
    woken = _wake(draft, item, policy) or turned
    if cause is not Cause.REVISION and not reading.is_imported(item):
        _hear(draft, item, policy)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)
    snoozed = draft.case.snoozed_until is not None and grouping.is_negative(item)
    raised = _raise_severity(draft, item, policy, repeated=repeated)
    if raised and not reading.is_imported(item):
        lifecycle.wake(draft)
        lifecycle.escalate(draft, policy, Cause.SEVERITY_RAISED)
    elif woken and draft.case.state is CaseState.OPEN:
        _escalate(draft, item, policy, Cause.FEEDBACK)
    elif snoozed:
        lifecycle.snooze_over(draft, policy, None, Cause.FEEDBACK)


def reopen(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Take a resolved case up again: promises waived, escalation from the start."""
    repeated = _add(draft, item, cause)
    reopening.take_up(draft, policy)
    _turn_into_complaint(draft, item, policy)
    quarantined = reopening.is_loop(draft, policy)
    if reading.is_imported(item):
        escalation.hold(draft)
    else:
        clocks.go_on(draft, policy)
        _hear(draft, item, policy)
    draft.emit(CaseEventKind.REOPENED, cause)
    follow_up.waive_all(draft, Cause.REOPENED)
    if quarantined:
        reopening.quarantine(draft, policy)
    _raise_severity(draft, item, policy, repeated=repeated)
    _escalate(draft, item, policy, Cause.REOPENED)


def refer(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Note in the case what changes nothing else.

    That is a deletion, machine mail, a message of our own side, and what is no reason to reopen a
    resolved case. But a message of a person of ours is a reply, and a mail that says that ours did not
    arrive takes back what that reply had fulfilled.
    """
    note(draft, item, cause)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)
    feedback = item.feedback
    if reading.is_reply(item, cause):
        said_at = reading.written_at(feedback)
        if draft.case.state not in Case.ENDED and replies.answers(draft.case, said_at):
            replies.reply(
                draft,
                policy,
                Cause.REPLY,
                at=said_at,
                by=reading.speaker(feedback),
                message_id=feedback.native_id,
                channel=feedback.channel,
            )
            thanking.thanked(draft)
    elif reading.is_bounce(item, cause):
        said = replies.meant(draft.case, feedback.parent_id)
        if said is not None:
            reopening.bounced(draft, policy, said, Cause.BOUNCE)


def note(draft: Draft, item: FeedbackClassified, cause: Cause) -> FeedbackRef:
    """List a feedback in a case, and return how; a deletion marks what is listed."""
    ref = grouping.listed(draft.case, item.feedback)
    if cause is Cause.DELETION and ref is not None:
        ref = msgspec.structs.replace(ref, deleted=True)
    else:
        ref = reading.reference(item, cause, draft.now)
    list_ref(draft, ref)
    return ref


def _add(draft: Draft, item: FeedbackClassified, cause: Cause, issue: Issue | None = None) -> bool:
    """Add the reference and the reasons; tell whether this is the contact too many."""
    contact = cause is not Cause.REVISION
    count = draft.case.feedback_count + contact
    reasons, repeated = draft.case.reasons, False
    if grouping.is_negative(item):
        found = item.classification.reasons if issue is None else issue.reasons
        reasons = tuple(dict.fromkeys((*reasons, *found)))
        repeat = grouping.repeat_of(item.feedback)
        contacts = max(count, repeat.count if repeat is not None else 0)
        repeated = contact and contacts >= THIRD_CONTACT and Reason.REPEAT_CONTACT not in reasons
        if repeated:
            reasons = (*reasons, Reason.REPEAT_CONTACT)
    list_ref(draft, reading.reference(item, cause, draft.now, issue))
    draft.change(feedback_count=count, reasons=reasons)
    return repeated


def _start_clocks(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    said_at = reading.heard_at(item.feedback, draft.now)
    replies.promise(draft, policy, item.feedback.feedback_id, said_at)


def _join_team(draft: Draft, policy: Policy, *, thanks: bool) -> None:
    pack = policy.pack_for(draft.case) if policy.packs else None
    team = policy.thanks_team if thanks else None
    team = team or (pack.team if pack is not None else None) or policy.team
    if team is not None:
        draft.change(team=team)


def _hear(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    """The customer has said something: it wants an answer, and a wait for the customer is over."""
    if not reading.asks(item):
        return
    lifecycle.customer_answered(draft, policy)
    said_at = reading.heard_at(item.feedback, draft.now)
    if draft.case.waiting_since is None:
        draft.change(waiting_since=said_at)
    clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, item.feedback.feedback_id, said_at)


def list_ref(draft: Draft, ref: FeedbackRef) -> None:
    """List ``ref`` in the place of its item's last revision, else at the end.

    When there are too many, the oldest goes that is no contact, else the oldest but the first.
    """
    if not draft.case.feedback:
        draft.change(feedback=(ref,))
        return
    refs = list(draft.case.feedback)
    item = ref.item or ref.feedback_id  # older ones have no item
    place = next((n for n, one in enumerate(refs) if (one.item or one.feedback_id) == item), None)
    if place is not None:
        cause = refs[place].cause if ref.cause is Cause.REVISION else ref.cause
        asked_at = refs[place].asked_at if ref.asked_at is None else ref.asked_at
        refs[place] = msgspec.structs.replace(ref, cause=cause, asked_at=asked_at)
    else:
        refs.append(ref)
        if len(refs) > Case.MAX_REFS:
            last = next((r for r in refs[1:-1] if r.cause in grouping.REFERRING), refs[1])
            refs.remove(last)
    draft.change(feedback=tuple(refs))


def _wake(draft: Draft, item: FeedbackClassified, policy: Policy) -> bool:
    """End the silence of a backfilled case if ``item`` is new and negative; tell whether it did."""
    if not draft.case.backfilled or reading.is_imported(item) or not grouping.is_negative(item):
        return False
    draft.change(backfilled=False)
    _start_clocks(draft, item, policy)
    if draft.case.state is not CaseState.OPEN:
        escalation.move(draft, started_at=draft.now)
        acknowledge.renew(draft, policy)
    return True


def _turn_into_complaint(draft: Draft, item: FeedbackClassified, policy: Policy) -> bool:
    """A case of praise or a suggestion hears a complaint: from now on it is one."""
    if not thanking.is_thanks(draft.case) or not grouping.is_negative(item):
        return False
    draft.change(kind=item.classification.kind)
    if reading.is_imported(item):
        return False
    said_at = reading.heard_at(item.feedback, draft.now)
    thanking.stop(draft, policy, item.feedback.feedback_id, said_at)
    return True


def _raise_severity(
    draft: Draft, item: FeedbackClassified, policy: Policy, *, repeated: bool
) -> bool:
    """Raise to the feedback's severity if that is higher, one more for repeated contact."""
    if not grouping.is_negative(item):
        return False
    before = draft.case.severity
    evidence = higher(before, item.classification.severity)
    after = one_up(evidence) if repeated else evidence
    if after is before:
        return False
    draft.change(severity=after, set_by=None)
    retargeting.retarget(draft, policy, raised=True)
    if reading.is_imported(item):
        _raise_quietly(draft, policy)
    note = Reason.REPEAT_CONTACT.value if after is not evidence else None
    draft.emit(CaseEventKind.SEVERITY_RAISED, Cause.FEEDBACK, note=note)
    return True


def _raise_quietly(draft: Draft, policy: Policy) -> None:
    """Go on as before under the new severity: who is being paged or has acknowledged stays so."""
    case = draft.case
    if case.escalation.status not in _RUNNING:
        escalation.hold(draft)
    elif case.escalation.status is EscalationStatus.ACKNOWLEDGED and not case.backfilled:
        acknowledge.renew_by_severity(draft, policy)


def _escalate(draft: Draft, item: FeedbackClassified, policy: Policy, cause: Cause) -> None:
    if not reading.is_imported(item):
        lifecycle.escalate(draft, policy, cause)
