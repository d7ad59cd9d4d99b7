"""How urgent work is escalated and followed up, per severity. All times are milliseconds.

The defaults are the product's codebook (deploy/docs, "Severity" and "Follow-up cadence"). A ladder
is a tuple of steps: the first is notified at once, each waits its ``wait_ms`` for somebody to
acknowledge, then the next one is notified; the whole ladder is repeated, then it is exhausted.
"""

from __future__ import annotations

from typing import Final

from shared.events import Severity, Struct

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Step(Struct, frozen=True):
    """One rung: who is notified, and how long they have to acknowledge."""

    targets: tuple[str, ...]
    wait_ms: int


class Promise(Struct, frozen=True):
    """A follow-up that every resolution promises, ``after_ms`` after it."""

    kind: str
    after_ms: int


class SeverityPlan(Struct, frozen=True):
    """What one severity asks for. Without ``steps`` nobody is notified.

    ``repeat`` counts the further rounds over the ladder after the first; ``repeat_ms`` is the
    interval of the notifications once exhausted; ``ack_expiry_ms`` None means that an
    acknowledgement holds until the case is resolved.
    """

    steps: tuple[Step, ...] = ()
    repeat: int = 2
    repeat_ms: int = DAY
    ack_expiry_ms: int | None = None
    follow_ups: tuple[Promise, ...] = ()
    follow_up_grace_ms: int = 72 * HOUR
    reopen_ms: int = 14 * DAY

    @property
    def everyone(self) -> tuple[str, ...]:
        """Return all targets of the ladder, each once, in order."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.targets))


class Policy(Struct, frozen=True):
    """The whole policy: a plan per severity, and the limits that hold for all of them.

    A run of escalation (from opening, a raised severity or a reopening on) starts at most
    ``max_epochs`` times and for at most ``max_age_ms``; after that it repeats every
    ``stale_repeat_ms`` only.
    """

    version: str
    critical: SeverityPlan
    high: SeverityPlan
    medium: SeverityPlan
    low: SeverityPlan
    undetermined: SeverityPlan
    grouping_ms: int = 72 * HOUR
    max_epochs: int = 12
    max_age_ms: int = 7 * DAY
    stale_repeat_ms: int = DAY
    overdue_targets: tuple[str, ...] = ("team-lead",)

    def plan(self, severity: Severity) -> SeverityPlan:
        """Return the plan of ``severity``."""
        match severity:
            case Severity.CRITICAL:
                return self.critical
            case Severity.HIGH:
                return self.high
            case Severity.MEDIUM:
                return self.medium
            case Severity.LOW:
                return self.low
            case Severity.UNDETERMINED:
                return self.undetermined


def _ladder(wait_ms: int, *targets: str) -> tuple[Step, ...]:
    return tuple(Step(targets=(name,), wait_ms=wait_ms) for name in targets)


DEFAULT_POLICY: Final = Policy(
    version="default-1",
    critical=SeverityPlan(
        steps=_ladder(15 * MINUTE, "on-call", "team-lead", "head-of-support"),
        repeat_ms=30 * MINUTE,
        ack_expiry_ms=30 * MINUTE,
        follow_ups=(
            Promise(kind="confirm", after_ms=24 * HOUR),
            Promise(kind="still_fixed", after_ms=7 * DAY),
            Promise(kind="relationship", after_ms=30 * DAY),
        ),
        follow_up_grace_ms=24 * HOUR,
        reopen_ms=30 * DAY,
    ),
    high=SeverityPlan(
        steps=_ladder(HOUR, "on-call", "team-lead"),
        repeat_ms=4 * HOUR,
        ack_expiry_ms=2 * HOUR,
        follow_ups=(
            Promise(kind="confirm", after_ms=48 * HOUR),
            Promise(kind="still_fixed", after_ms=7 * DAY),
        ),
        follow_up_grace_ms=24 * HOUR,
        reopen_ms=30 * DAY,
    ),
    medium=SeverityPlan(
        steps=_ladder(8 * HOUR, "support", "team-lead"),
        follow_ups=(Promise(kind="confirm", after_ms=48 * HOUR),),
    ),
    low=SeverityPlan(follow_ups=(Promise(kind="survey", after_ms=7 * DAY),)),
    undetermined=SeverityPlan(
        steps=_ladder(15 * MINUTE, "triage", "team-lead"),
        repeat_ms=4 * HOUR,
        follow_ups=(Promise(kind="survey", after_ms=7 * DAY),),
    ),
)
