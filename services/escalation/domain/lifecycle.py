"""The work on a case: investigate, wait, clarify, offer, resolve, communicate, decide, close.

Each function takes the command that asks for it and raises ``Refuse`` when that cannot be.
"""

from __future__ import annotations

import msgspec

from services.escalation.domain import (
    acknowledge,
    clocks,
    escalation,
    follow_up,
    replies,
    thanking,
)
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import DAY, Policy
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    Clarification,
    ClockKind,
    EscalationStatus,
    Kind,
    Offer,
    Refusal,
    Severity,
    Timer,
    TimerKind,
)

ON_CUSTOMER = "customer"
ON_THIRD_PARTY = "third_party"
_WAITING = {
    ON_CUSTOMER: CaseState.WAITING_CUSTOMER,
    ON_THIRD_PARTY: CaseState.WAITING_THIRD_PARTY,
}
_CLOSES = 1
"""``ref`` of the end of a wait that closes the case."""


def investigate(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Somebody looks into it."""
    _need_unresolved(draft)
    stop_waiting(draft, policy)
    draft.change(investigating=True)
    _progress(draft, policy)
    draft.emit(CaseEventKind.INVESTIGATING, Cause.COMMAND, note=note_of(command))


def wait(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Wait for the customer (with nudges), or until a time for somebody else."""
    _need_unresolved(draft)
    state = _WAITING.get(command.on or "")
    if state is None:
        raise Refuse(Refusal.INVALID, f"on: {command.on!r} is neither customer nor third_party")
    until, ref = command.until, 0
    limit = DAY if draft.case.severity is Severity.CRITICAL else policy.max_wait_ms
    if state is CaseState.WAITING_THIRD_PARTY and until is None:
        raise Refuse(Refusal.MISSING, "until: when is it looked at again?")
    if until is not None and not draft.now < until <= draft.now + limit:
        raise Refuse(Refusal.INVALID, f"until: at most {limit // 3_600_000} h from now")
    wake(draft)
    stop_waiting(draft, policy)
    acknowledge.implied(draft, policy)
    plan = policy.plan_for(draft.case)
    acknowledge.suspend(draft)
    draft.change(state=state, nudges=0)
    if state is CaseState.WAITING_CUSTOMER:
        for number, after_ms in enumerate(plan.nudges_ms, 1):
            draft.arm(TimerKind.NUDGE, draft.now + after_ms, ref=number)
        if until is None and plan.no_response_ms is not None:
            until, ref = draft.now + plan.no_response_ms, _CLOSES
    clocks.pause(draft, clocks.pausing(draft.case, plan))
    if until is not None:
        draft.arm(TimerKind.WAIT_END, until, ref)
    draft.change(wait_until=until)
    draft.emit(CaseEventKind.WAITING, Cause.COMMAND, note=note_of(command), detail=command.on or "")


def stop_waiting(draft: Draft, policy: Policy) -> bool:
    """End a wait, without an event of its own; tell whether there was one."""
    if draft.case.state not in acknowledge.WAITING:
        return False
    draft.disarm(TimerKind.NUDGE, TimerKind.WAIT_END)
    draft.change(state=acknowledge.progress(draft.case), wait_until=None)
    clocks.resume(draft, policy)
    acknowledge.renew(draft, policy)
    return True


def escalate(draft: Draft, policy: Policy, cause: Cause) -> None:
    """Begin the ladder anew; whatever kept the case quiet, a wait or a snooze, is over."""
    wake(draft)
    stop_waiting(draft, policy)
    escalation.start(draft, policy, cause)


def customer_answered(draft: Draft, policy: Policy) -> None:
    """The customer has spoken: a wait for that is over, without an event of its own."""
    if draft.case.state is CaseState.WAITING_CUSTOMER:
        stop_waiting(draft, policy)


def nudge_due(draft: Draft, number: int, due_at: int) -> None:
    """The customer has not answered: they are to be reminded."""
    draft.change(nudges=number)
    draft.emit(
        CaseEventKind.NUDGE_DUE, Cause.CLOCK, at=due_at, targets=clocks.owners(draft),
        detail=f"reminder {number}",
    )  # fmt: skip


def wait_over(draft: Draft, policy: Policy, timer: Timer) -> None:
    """The wait ends by itself: a customer who never answered closes the case, else work goes on.

    It never closes where a person has to decide about that, nor while it is us who owe an answer.
    """
    due_at = timer.due_at
    case = draft.case
    closes = timer.ref == _CLOSES and policy.plan_for(case).no_response_ms is not None
    if closes and case.waiting_since is None and case.state is CaseState.WAITING_CUSTOMER:
        follow_up.close(draft, Cause.NO_RESPONSE)
    elif stop_waiting(draft, policy):
        told = clocks.owners(draft, policy.fallback)
        draft.emit(CaseEventKind.WAIT_OVER, Cause.WAIT_OVER, at=due_at, targets=told)


def clarify(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """What was asked and answered, or why nothing had to be."""
    _need_unresolved(draft)
    found = _clarified(draft, command)
    if found is None:
        raise Refuse(Refusal.MISSING, "clarification: asked and answered, or not_needed")
    stop_waiting(draft, policy)
    draft.change(clarification=found)
    _progress(draft, policy)
    draft.emit(CaseEventKind.CLARIFIED, Cause.COMMAND, note=note_of(command))


def offer(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Offer solutions to choose from; or record which one was chosen, approved, fulfilled."""
    _need_unresolved(draft)
    given, before = command.offer, draft.case.offer or Offer()
    if given is None:
        raise Refuse(Refusal.MISSING, "offer")
    options = tuple(dict.fromkeys(given.options)) or before.options
    chosen = given.chosen or before.chosen
    if not options:
        raise Refuse(Refusal.MISSING, "offer.options")
    if chosen is not None and chosen not in options:
        raise Refuse(Refusal.INVALID, f"offer.chosen: {chosen} was not offered")
    if chosen is None and (given.approved_by or given.fulfilled_at is not None):
        raise Refuse(Refusal.MISSING, "offer.chosen: nothing is chosen yet")
    stop_waiting(draft, policy)
    now = Offer(
        options=options,
        chosen=chosen,
        approved_by=given.approved_by or before.approved_by,
        fulfilled_at=before.fulfilled_at if given.fulfilled_at is None else given.fulfilled_at,
    )
    draft.change(offer=now)
    _progress(draft, policy)
    draft.emit(CaseEventKind.OFFERED, Cause.COMMAND, note=note_of(command))


def resolve(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """The matter is done; the customer is to be told, and the follow-ups are promised."""
    _need_unresolved(draft)
    given = command.resolution
    if given is None:
        raise Refuse(Refusal.MISSING, "resolution: outcome, reason and next_step")
    for name in ("outcome", "reason", "next_step"):
        if not str(getattr(given, name)).strip():
            raise Refuse(Refusal.MISSING, f"resolution.{name}")
    clarified = _clarified(draft, command) or draft.case.clarification
    if clarified is None:
        raise Refuse(Refusal.NOT_CLARIFIED, "clarify it first, or say why that is not_needed")
    stop_waiting(draft, policy)
    wake(draft)
    escalation.cancel(draft)
    clocks.fulfil(draft, policy, clocks.RESOLUTION, draft.now)
    draft.change(
        state=CaseState.RESOLVED,
        resolved_at=draft.now,
        resolved_by=draft.origin.actor,
        resolution=note_of(command) or given.outcome,
        outcome=given,
        clarification=clarified,
        quarantined=False,
    )
    draft.disarm(TimerKind.REMIND)
    if not clocks.is_live(draft, ClockKind.UPDATE):
        # From now on the promise is to tell the customer.
        clocks.start(draft, policy, ClockKind.UPDATE, f"resolution-{draft.now}", draft.now)
    draft.emit(CaseEventKind.RESOLVED, Cause.COMMAND, note=note_of(command))
    follow_up.schedule(draft, policy)


def communicate(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """The customer was told how it was resolved; the author of a suggestion, what became of it."""
    suggestion = (
        draft.case.kind is Kind.SUGGESTION
        and thanking.is_thanks(draft.case)
        and draft.case.state in Case.UNRESOLVED
    )
    if draft.case.state is not CaseState.RESOLVED and not suggestion:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}, not resolved")
    if suggestion and draft.case.verdict is None:
        raise Refuse(Refusal.MISSING, "verdict: decide on the suggestion first")
    replies.record(
        draft,
        policy,
        at=draft.now,
        by=command.actor,
        message_id=command.message_id or command.command_id,
        channel=command.channel,
        told=True,
    )
    draft.change(communicated_at=draft.now, state=CaseState.COMMUNICATED)
    draft.emit(CaseEventKind.COMMUNICATED, Cause.COMMAND, note=note_of(command))
    if suggestion:
        escalation.cancel(draft)
        follow_up.close(draft, Cause.THANKED)
    else:
        follow_up.close_if_settled(draft)


def decide_on(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """What becomes of a suggestion; its author is to be told."""
    _need_unresolved(draft)
    if draft.case.kind is not Kind.SUGGESTION:
        raise Refuse(Refusal.WRONG_STATE, f"the case is a {draft.case.kind}, no suggestion")
    if command.verdict is None:
        raise Refuse(Refusal.MISSING, "verdict: accepted, planned or declined")
    if not (command.note or "").strip():
        raise Refuse(Refusal.MISSING, "note: the reason of the verdict")
    acknowledge.implied(draft, policy)
    draft.change(verdict=command.verdict)
    draft.emit(CaseEventKind.DECIDED, Cause.COMMAND, note=note_of(command))


def close(draft: Draft, _: Policy, command: CaseCommand) -> None:
    """End a case by hand: all is settled, nobody answers, or it was no complaint."""
    case = draft.case
    reason = (command.note or "").strip()
    if case.state in Case.SETTLING:
        if any(item.state not in follow_up.SETTLED for item in case.follow_ups):
            raise Refuse(Refusal.NOT_ALLOWED, "follow-ups are open: settle or waive them")
        if not reason and not follow_up.is_told(case):
            raise Refuse(Refusal.MISSING, "note: the customer was not told; why is that right?")
        follow_up.close(draft, Cause.COMMAND, note_of(command))
        return
    _need_unresolved(draft)
    unanswered = case.state is CaseState.WAITING_CUSTOMER
    if not unanswered and case.kind is Kind.COMPLAINT:
        raise Refuse(Refusal.WRONG_STATE, "a complaint is to be resolved first")
    if not reason:
        raise Refuse(Refusal.MISSING, "note: why is it over?")
    cause = Cause.NO_RESPONSE if unanswered else Cause.COMMAND
    follow_up.close(draft, cause, note_of(command))


def note(draft: Draft, _: Policy, command: CaseCommand) -> None:
    """Put a remark on record."""
    if not (command.note or "").strip():
        raise Refuse(Refusal.MISSING, "note")
    draft.emit(CaseEventKind.NOTED, Cause.COMMAND, note=note_of(command))


def snooze(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Hold the ladder for a while; the clocks run on."""
    _need_unresolved(draft)
    if draft.case.state in acknowledge.WAITING:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}: nobody is paged")
    limit = policy.plan_for(draft.case).snooze_ms
    if not limit:
        raise Refuse(Refusal.NOT_ALLOWED, f"a {draft.case.severity} case cannot be snoozed")
    until = command.until
    if until is None:
        raise Refuse(Refusal.MISSING, "until")
    if not draft.now < until <= draft.now + limit:
        raise Refuse(Refusal.INVALID, f"until: at most {limit // 3_600_000} h from now")
    draft.disarm(*escalation.TIMERS, TimerKind.SNOOZE_END)
    draft.change(snoozed_until=until)
    draft.arm(TimerKind.SNOOZE_END, until)
    draft.emit(CaseEventKind.SNOOZED, Cause.COMMAND, note=note_of(command))


def wake(draft: Draft) -> bool:
    """End a snooze, without an event of its own; tell whether there was one."""
    if draft.case.snoozed_until is None:
        return False
    draft.disarm(TimerKind.SNOOZE_END)
    draft.change(snoozed_until=None)
    return True


def snooze_over(draft: Draft, policy: Policy, due_at: int | None, cause: Cause) -> None:
    """Take the ladder up again: from step 1 in a new epoch, or the acknowledgement's expiry."""
    if not wake(draft):
        return
    escalation.cancel_without_steps(draft, policy)
    draft.emit(CaseEventKind.SNOOZE_OVER, cause, at=due_at, targets=clocks.owners(draft))
    stands = draft.case.escalation
    if draft.case.state is CaseState.OPEN and escalation.is_waiting(draft.case):
        again = msgspec.structs.replace(stands, epoch=stands.epoch + 1, step=1, rounds=0)
        escalation.begin_epoch(draft, policy, Cause.SNOOZE_OVER, again, at=due_at)
    elif stands.status is EscalationStatus.ACKNOWLEDGED and not draft.case.backfilled:
        acknowledge.renew(draft, policy)


def note_of(command: CaseCommand) -> str | None:
    """Return the note of a command as far as it is kept."""
    return None if command.note is None else command.note[:MAX_NOTE]


MAX_NOTE = 4000
"""Characters of a command's note that are kept: every later snapshot of the case carries it."""


def _clarified(draft: Draft, command: CaseCommand) -> Clarification | None:
    """Return what is clarified, with what was said before; None when that is not enough."""
    given, before = command.clarification, draft.case.clarification or Clarification()
    if given is None:
        return None
    whole = Clarification(
        asked=_said(given.asked) or before.asked,
        answered=_said(given.answered) or before.answered,
        not_needed=_said(given.not_needed),
    )
    return whole if whole.not_needed or (whole.asked and whole.answered) else None


def _said(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _progress(draft: Draft, policy: Policy) -> None:
    acknowledge.implied(draft, policy)
    draft.change(state=acknowledge.progress(draft.case))


def _need_unresolved(draft: Draft) -> None:
    if draft.case.state not in Case.UNRESOLVED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
