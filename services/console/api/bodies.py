"""Bodies of the actions: one type each, and nothing in it that the action does not know.

Times are int64 milliseconds since the Unix epoch, UTC. Texts are kept in the record of the case.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.events import (
    CaseCommand,
    Channel,
    Clarification,
    Kind,
    Offer,
    Reason,
    Resolution,
    Severity,
    Solution,
    Verdict,
)

Text = Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$(?!\n)")]
Ms = Annotated[int, Meta(ge=0, le=2**53, description="Milliseconds since the Unix epoch, UTC.")]
Seq = Annotated[int, Meta(ge=1, le=2**53)]


class Body(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of all bodies. ``expected_seq``: refuse when the case has moved on (as ``If-Match``)."""

    expected_seq: Seq | None = None

    def put(self, command: CaseCommand) -> CaseCommand:
        """Return ``command`` with what the body says: by default what has the same name."""
        given = {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name != "expected_seq" and getattr(self, name) is not None
        }
        return msgspec.structs.replace(command, **given)


class Remark(Body, frozen=True):
    """A remark for the record, where one is welcome."""

    note: Text | None = None


class Because(Body, frozen=True, kw_only=True):
    """A reason or remark that has to be given."""

    note: Text


class Sent(Remark, frozen=True):
    """A message of ours to the customer: its id on the channel, so that a bounce is recognised."""

    message_id: Name | None = None
    channel: Channel | None = None


class Replied(Sent, frozen=True):
    """A public answer of a person. ``at``: when it was sent; without it, now."""

    at: Ms | None = None


class Bounced(Remark, frozen=True):
    """A message that did not arrive; without ``message_id`` the last one."""

    message_id: Name | None = None


class Given(Remark, frozen=True):
    """Whose the case is: a person, or a team, where who is on duty and has least to do gets it."""

    assignee: Name | None = None
    team: Name | None = None

    def __post_init__(self) -> None:
        """One of the two has to be there."""
        if self.assignee is None and self.team is None:
            raise ValueError("the field `assignee` or `team` is needed")


class HandedOn(Given, frozen=True, kw_only=True):
    """As ``Given``, and what the other one is to do."""

    note: Text


class Waits(Remark, frozen=True, kw_only=True):
    """For whom the case waits, and until when; for a third party ``until`` is needed."""

    on: Literal["customer", "third_party"]
    until: Ms | None = None

    def __post_init__(self) -> None:
        """Nobody waits for a third party for ever."""
        if self.on == "third_party" and self.until is None:
            raise ValueError("the field `until` is needed: when is it looked at again?")


class Clarified(Remark, frozen=True):
    """What was asked and answered, at once or one after the other; or why that was not needed."""

    asked: Text | None = None
    answered: Text | None = None
    not_needed: Text | None = None

    def __post_init__(self) -> None:
        """Something has to be said, and only one of the two things."""
        said = self.asked is not None or self.answered is not None
        if not said and self.not_needed is None:
            raise ValueError("the field `asked` is needed, or `answered`, or `not_needed`")
        if said and self.not_needed is not None:
            raise ValueError("the field `not_needed` goes without `asked` and `answered`")

    def put(self, command: CaseCommand) -> CaseCommand:
        """Return ``command`` with the clarification."""
        found = Clarification(asked=self.asked, answered=self.answered, not_needed=self.not_needed)
        return msgspec.structs.replace(command, clarification=found, note=self.note)


class Offered(Remark, frozen=True):
    """The solutions offered; or which was chosen, who approved it, when it was fulfilled."""

    options: Annotated[tuple[Solution, ...], Meta(max_length=len(Solution))] = ()
    chosen: Solution | None = None
    approved_by: Name | None = None
    fulfilled_at: Ms | None = None

    def __post_init__(self) -> None:
        """Something has to be said, and what is chosen was offered."""
        if not (self.options or self.chosen or self.approved_by or self.fulfilled_at is not None):
            raise ValueError("the field `options` is needed, or what became of them")
        if self.chosen and self.options and self.chosen not in self.options:
            raise ValueError("the field `chosen` is none of `options`")

    def put(self, command: CaseCommand) -> CaseCommand:
        """Return ``command`` with the offer."""
        found = Offer(
            options=tuple(dict.fromkeys(self.options)),
            chosen=self.chosen,
            approved_by=self.approved_by,
            fulfilled_at=self.fulfilled_at,
        )
        return msgspec.structs.replace(command, offer=found, note=self.note)


class Resolved(Remark, frozen=True, kw_only=True):
    """How it was resolved: outcome, why, and what comes next; the cause and what prevents it.

    ``not_needed``: why nothing had to be clarified, for a case that was not.
    """

    outcome: Text
    reason: Text
    next_step: Text
    root_cause: Text | None = None
    prevention: Text | None = None
    not_needed: Text | None = None

    def put(self, command: CaseCommand) -> CaseCommand:
        """Return ``command`` with the resolution."""
        found = Resolution(
            outcome=self.outcome,
            reason=self.reason,
            next_step=self.next_step,
            root_cause=self.root_cause,
            prevention=self.prevention,
        )
        clear = Clarification(not_needed=self.not_needed) if self.not_needed else None
        return msgspec.structs.replace(
            command, resolution=found, clarification=clear, note=self.note
        )


class Decided(Because, frozen=True, kw_only=True):
    """What becomes of a suggestion, and why."""

    verdict: Verdict


class Snoozed(Remark, frozen=True, kw_only=True):
    """Until when the ladder rests; the clocks run on."""

    until: Ms


class Merged(Remark, frozen=True, kw_only=True):
    """Which case goes on for this one."""

    into: Name


class Corrected(Remark, frozen=True, kw_only=True):
    """How grave the case is, in the judgement of a person; and of what kind, and why."""

    severity: Severity
    kind: Kind | None = None
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=len(Reason))] = ()

    def put(self, command: CaseCommand) -> CaseCommand:
        """Return ``command`` with the judgement."""
        return msgspec.structs.replace(
            command,
            severity=self.severity,
            kind_is=self.kind,
            reasons=self.reasons,
            note=self.note,
        )


class Erasure(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Why a customer is erased."""

    reason: Text
