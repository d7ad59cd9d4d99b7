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
    merging,
    reopening,
    replies,
    thanking,
)
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from services.escalation.domain.severity import RANK, higher, one_up
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    EscalationStatus,
    FeedbackClassified,
    FeedbackReceived,
    FeedbackRef,
    Flag,
    Issue,
    Kind,
    Operation,
    Origin,
    Reason,
    Refusal,
    Role,
    Severity,
)

MAX_EXCERPT: Final = 280
THIRD_CONTACT: Final = 3

_SPOKEN: Final = frozenset({Origin.HUMAN, Origin.BULK, Origin.OWN_ECHO})
"""What a person of ours may have written; an automatic answer of theirs is none."""

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
    return tuple(issues[: policy.max_split]) if len(issues) > 1 else (None,)


def new_case(item: FeedbackClassified, now: int, part: int = 0, issue: Issue | None = None) -> Case:
    """Return the case that ``item``, or one issue of it, is about to open, before its first event."""
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
    )


def open_case(
    draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy, issue: Issue | None = None
) -> None:
    """Record the opening, start the clocks and the escalation."""
    repeated = _add(draft, item, cause, issue)
    thanks = draft.case.kind in policy.thanks and not grouping.is_negative(item)
    _join_team(draft, policy, thanks=thanks)
    if _is_imported(item):
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
    if cause is not Cause.REVISION and not _is_imported(item):
        _hear(draft, item, policy)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)
    snoozed = draft.case.snoozed_until is not None and grouping.is_negative(item)
    raised = _raise_severity(draft, item, policy, repeated=repeated)
    if raised:
        lifecycle.wake(draft)
        _escalate(draft, item, policy, Cause.SEVERITY_RAISED)
    elif woken and draft.case.state is CaseState.OPEN:
        _escalate(draft, item, policy, Cause.FEEDBACK)
    elif snoozed:
        lifecycle.snooze_over(draft, policy, None, Cause.FEEDBACK)


def reopen(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Take a resolved case up again: promises waived, escalation from the start."""
    repeated = _add(draft, item, cause)
    reopening.take_up(draft, policy)
    quarantined = reopening.is_loop(draft, policy)
    if _is_imported(item):
        escalation.hold(draft)
    else:
        clocks.go_on(draft, policy, ClockKind.TOTAL_RESOLUTION)
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
    before = grouping.listed(draft.case, item.feedback)
    if cause is Cause.DELETION and before is not None:
        _list(draft, msgspec.structs.replace(before, deleted=True))
    else:
        _list(draft, _ref(item, cause))
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)
    feedback = item.feedback
    if feedback.op is not Operation.CREATE or _is_imported(item):
        return
    ours = cause is Cause.OWN_SIDE and feedback.origin in _SPOKEN
    if ours and feedback.author and feedback.author.role == Role.AGENT:
        if draft.case.state not in Case.ENDED:
            replies.reply(
                draft,
                policy,
                Cause.REPLY,
                at=_said_at(feedback),
                by=feedback.author.name or feedback.author.handle or Role.AGENT,
                message_id=feedback.native_id,
                channel=feedback.channel,
            )
            thanking.thanked(draft)
    elif cause is Cause.MACHINE and feedback.origin is Origin.BOUNCE_HARD:
        reopening.bounced(draft, policy, feedback.parent_id, Cause.BOUNCE)


def reference(item: FeedbackClassified, cause: Cause) -> FeedbackRef:
    """Return how a case lists ``item``."""
    return _ref(item, cause)


def forwarded(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """A case that was merged into this one hands on what came in for it."""
    ref = command.feedback
    if ref is None:
        raise Refuse(Refusal.MISSING, "feedback")
    if draft.case.state is CaseState.MERGED:
        merging.forward(draft, ref)
        draft.emit(CaseEventKind.FEEDBACK_ATTACHED, Cause.MERGED, detail="forwarded")
        return
    before = draft.case
    _list(draft, ref)
    contact = ref.cause not in grouping.REFERRING
    settled = before.state not in Case.UNRESOLVED
    if settled and contact:
        reopening.take_up(draft, policy)
        clocks.go_on(draft, policy, ClockKind.TOTAL_RESOLUTION)
    draft.change(feedback_count=before.feedback_count + contact)
    raised = contact and higher(before.severity, ref.severity) is not before.severity
    if raised:
        draft.change(severity=ref.severity, set_by=None)
        clocks.retarget(draft, policy, raised=True)
    if contact:
        lifecycle.customer_answered(draft, policy)
        if before.waiting_since is None:
            draft.change(waiting_since=ref.received_at)
            clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, ref.feedback_id, ref.received_at)
    kind = CaseEventKind.REOPENED if settled and contact else CaseEventKind.FEEDBACK_ATTACHED
    draft.emit(kind, Cause.MERGED)
    if settled and contact:
        follow_up.waive_all(draft, Cause.REOPENED)
        escalation.start(draft, policy, Cause.REOPENED)
    elif raised:
        lifecycle.escalate(draft, policy, Cause.SEVERITY_RAISED)


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
    _list(draft, _ref(item, cause, issue))
    draft.change(feedback_count=count, reasons=reasons)
    return repeated


def _said_at(feedback: FeedbackReceived) -> int:
    """Return when something was said: a time in the future is when it came in."""
    if feedback.occurred_at is None:
        return feedback.received_at
    return min(feedback.occurred_at, feedback.received_at)


def _start_clocks(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    said_at = min(_said_at(item.feedback), draft.now)
    name = item.feedback.feedback_id
    draft.change(waiting_since=said_at)
    if draft.case.part == 0:
        clocks.start(draft, policy, ClockKind.RECEIPT, name, draft.now)
    clocks.start(draft, policy, ClockKind.FIRST_RESPONSE, name, said_at)
    for kind in clocks.RESOLUTION:
        clocks.start(draft, policy, kind, name, draft.now)


def _join_team(draft: Draft, policy: Policy, *, thanks: bool) -> None:
    pack = policy.pack_for(draft.case) if policy.packs else None
    team = policy.thanks_team if thanks else None
    team = team or (pack.team if pack is not None else None) or policy.team
    if team is not None:
        draft.change(team=team)


def _hear(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    """The customer has said something: it wants an answer, and a wait for the customer is over."""
    if item.classification.kind is Kind.PRAISE and not grouping.is_negative(item):
        return  # thanks ask for nothing
    lifecycle.customer_answered(draft, policy)
    said_at = min(_said_at(item.feedback), draft.now)
    if draft.case.waiting_since is None:
        draft.change(waiting_since=said_at)
    answering = (ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE, ClockKind.THANK_YOU)
    if not any(clocks.is_live(draft, kind) for kind in answering):
        name = item.feedback.feedback_id
        clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, name, said_at)


def _list(draft: Draft, ref: FeedbackRef) -> None:
    """List ``ref`` in the place of its item's last revision, else at the end.

    When there are too many, the oldest goes that is no contact, else the oldest but the first.
    """
    refs = list(draft.case.feedback)
    place = next((at for at, other in enumerate(refs) if other.item == ref.item), None)
    if place is not None:
        cause = refs[place].cause if ref.cause is Cause.REVISION else ref.cause
        refs[place] = msgspec.structs.replace(ref, cause=cause)
    else:
        refs.append(ref)
        if len(refs) > Case.MAX_REFS:
            last = next((r for r in refs[1:-1] if r.cause in grouping.REFERRING), refs[1])
            refs.remove(last)
    draft.change(feedback=tuple(refs))


def _wake(draft: Draft, item: FeedbackClassified, policy: Policy) -> bool:
    """End the silence of a backfilled case if ``item`` is new and negative; tell whether it did."""
    if not draft.case.backfilled or _is_imported(item) or not grouping.is_negative(item):
        return False
    draft.change(backfilled=False)
    _start_clocks(draft, item, policy)
    if draft.case.state is not CaseState.OPEN:
        escalation.move(draft, started_at=draft.now)
        acknowledge.renew(draft, policy)
    return True


def _turn_into_complaint(draft: Draft, item: FeedbackClassified, policy: Policy) -> bool:
    """A case of praise or a suggestion hears a complaint: from now on it is one."""
    if draft.case.kind not in policy.thanks or not grouping.is_negative(item):
        return False
    clocks.cancel(draft, (ClockKind.THANK_YOU,))
    draft.change(kind=item.classification.kind)
    if not _is_imported(item):
        _start_clocks(draft, item, policy)
    return draft.case.kind not in policy.thanks


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
    clocks.retarget(draft, policy, raised=True)
    if _is_imported(item):
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
        acknowledge.renew(draft, policy)


def _escalate(draft: Draft, item: FeedbackClassified, policy: Policy, cause: Cause) -> None:
    if not _is_imported(item):
        lifecycle.escalate(draft, policy, cause)


def _is_imported(item: FeedbackClassified) -> bool:
    return Flag.BACKFILL in item.feedback.flags


def _ref(item: FeedbackClassified, cause: Cause, issue: Issue | None = None) -> FeedbackRef:
    words = _words(item.feedback)
    if issue is not None and words == item.feedback.text:
        words = words[issue.start : issue.end]
    text = " ".join(words.split())
    return FeedbackRef(
        feedback_id=item.feedback.feedback_id,
        channel=item.feedback.channel,
        severity=item.classification.severity if issue is None else issue.severity,
        received_at=item.feedback.received_at,
        excerpt=text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…",
        item=grouping.item_of(item.feedback),
        cause=cause,
    )


def _words(feedback: FeedbackReceived) -> str:
    """Return what there is to read: the text, else the title, else how the call went."""
    if feedback.text.strip() or feedback.title:
        return feedback.text if feedback.text.strip() else feedback.title or ""
    if feedback.call is None:
        return ""
    return f"[call: {feedback.call.outcome or 'unknown'}, transcript: {feedback.call.transcript}]"
