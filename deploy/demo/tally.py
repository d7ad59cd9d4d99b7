"""What a run has shown so far. Pure: fed with answers and events, asked for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.events import (
    CaseEvent,
    CaseEventKind,
    DeadLetter,
    Delivery,
    DeliveryStatus,
    FeedbackClassified,
    FeedbackOutcome,
    MessageKind,
    OutcomeKind,
    Severity,
    Struct,
)

CaseKind = CaseEventKind
REQUIRED = {
    "an acknowledgement time-out": CaseKind.ACK_TIMED_OUT,
    "a re-escalation": CaseKind.REESCALATED,
    "a follow-up that fell due": CaseKind.FOLLOW_UP_DUE,
    "a follow-up done": CaseKind.FOLLOW_UP_DONE,
    "a follow-up missed": CaseKind.FOLLOW_UP_MISSED,
}

PAGES = {CaseKind.ESCALATION_TRIGGERED, CaseKind.REESCALATED}


def percentile(ordered: list[float], share: float) -> float:
    """Return the value at ``share`` (0–1) of sorted values; 0 when there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _latencies(seconds: list[float]) -> Mapping[str, float]:
    ordered = sorted(seconds)
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    return {name: round(percentile(ordered, share) * 1000, 1) for name, share in shares}


@dataclass
class Tally:
    """Counts of one run. Times are real seconds on one monotonic clock.

    Accepted ids come from the answers of the HTTP door, outcomes from a read-committed consumer:
    what was lost is the difference, never an assumption.
    """

    sent: dict[str, float] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    duplicates: int = 0
    rejected: int = 0
    received: Counter[str] = field(default_factory=Counter)
    classified: Counter[tuple[str, Severity]] = field(default_factory=Counter)
    outcomes: dict[str, OutcomeKind] = field(default_factory=dict)
    doubled: int = 0
    no_case: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    escalations: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    kinds: Counter[CaseEventKind] = field(default_factory=Counter)
    refused: int = 0
    dead: set[str] = field(default_factory=set)
    dead_letters: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    verified: int = 0
    unverified: int = 0
    receipts: int = 0
    mails: int = 0
    telling: list[float] = field(default_factory=list)
    first_sent: float | None = None
    last_outcome: float | None = None

    def answer(self, feedback_id: str | None, status: str, sent_at: float) -> None:
        """Take in the door's answer to one item."""
        self.first_sent = sent_at if self.first_sent is None else min(self.first_sent, sent_at)
        if status == "accepted" and feedback_id is not None:
            self.accepted.add(feedback_id)
            self.sent[feedback_id] = sent_at
        elif status == "duplicate":
            self.duplicates += 1
        else:
            self.rejected += 1

    def event(self, event: Struct, now: float) -> None:
        """Take in an event that a read-committed consumer has read at ``now``."""
        match event:
            case FeedbackClassified():
                channel = event.feedback.channel
                self.received[channel] += 1
                self.classified[channel, event.classification.severity] += 1
            case FeedbackOutcome():
                self._outcome(event, now)
            case CaseEvent():
                self._case_event(event)
            case Delivery():
                self._delivery(event)
            case DeadLetter():
                self.dead_letters[event.channel or "other"] += 1
                if event.feedback_id and not event.copy:
                    self.dead.add(event.feedback_id)
            case _:
                pass

    def hook(self, event: Struct | None, seconds: float) -> None:
        """Take in a web hook about ``event``, so long after the decision; None: it was not verified."""
        if event is None:
            self.unverified += 1
            return
        self.verified += 1
        if isinstance(event, CaseEvent) and event.kind in PAGES:
            self.told.add(event.event_id)
            self.telling.append(seconds)

    def mail(self) -> None:
        """Take in a mail that reached a customer's mailbox."""
        self.mails += 1

    def _delivery(self, event: Delivery) -> None:
        if event.status is DeliveryStatus.STALE:
            self.stale.add(event.cause_id)
        elif event.message is MessageKind.RECEIPT:
            self.receipts += event.status is DeliveryStatus.DELIVERED

    def _outcome(self, event: FeedbackOutcome, now: float) -> None:
        if event.feedback_id in self.outcomes:
            self.doubled += 1
        self.outcomes[event.feedback_id] = event.kind
        self.last_outcome = now
        if event.no_case_reason is not None:
            self.no_case[event.no_case_reason] += 1
        sent_at = self.sent.get(event.feedback_id)
        if sent_at is not None:
            self.latencies.setdefault(event.channel, []).append(now - sent_at)

    def _case_event(self, event: CaseEvent) -> None:
        self.kinds[event.kind] += 1
        channel = event.case.channel if event.case else "other"
        if event.kind in PAGES and event.targets:
            self.pages.add(event.event_id)
        match event.kind:
            case CaseKind.OPENED:
                self.cases[channel] += 1
            case CaseKind.ESCALATION_TRIGGERED:
                self.escalations[channel] += 1
            case CaseKind.FOLLOW_UP_DUE:
                self.due[channel] += 1
            case CaseKind.COMMAND_REFUSED:
                self.refused += 1
            case _:
                pass

    @property
    def waiting(self) -> int:
        """Accepted items that have no outcome yet."""
        return len(self.accepted - self.outcomes.keys() - self.dead)

    @property
    def untold(self) -> int:
        """Pages that nobody was told of, though they were not acknowledged before."""
        return len(self.pages - self.told - self.stale)

    @property
    def is_told(self) -> bool:
        """Whether all who had to be told were, verifiably."""
        return not self.untold and not self.unverified and self.mails >= self.receipts

    def missing(self) -> list[str]:
        """Return what the bundled sample has to show and has not shown yet."""
        return [what for what, kind in REQUIRED.items() if not self.kinds[kind]]

    def report(self) -> Mapping[str, object]:
        """Return the JSON object that ``tocsin demo --once --json`` prints."""
        latencies = [value for values in self.latencies.values() for value in values]
        seconds = (self.last_outcome or 0.0) - (self.first_sent or 0.0)
        by_severity: Counter[str] = Counter()
        for (_, severity), count in self.classified.items():
            by_severity[severity] += count
        return {
            "received": len(self.accepted),
            "duplicates": self.duplicates,
            "classified": {str(severity): by_severity[severity] for severity in Severity},
            "cases_opened": self.kinds[CaseKind.OPENED],
            "cases_attached": sum(
                kind is not OutcomeKind.NO_CASE and kind is not OutcomeKind.CASE_OPENED
                for kind in self.outcomes.values()
            ),
            "no_case": dict(sorted(self.no_case.items())),
            "escalations": self.kinds[CaseKind.ESCALATION_TRIGGERED],
            "acknowledged": self.kinds[CaseKind.ACKNOWLEDGED],
            "ack_timed_out": self.kinds[CaseKind.ACK_TIMED_OUT],
            "reescalated": self.kinds[CaseKind.REESCALATED],
            "resolved": self.kinds[CaseKind.RESOLVED],
            "followups": {
                "due": self.kinds[CaseKind.FOLLOW_UP_DUE],
                "done": self.kinds[CaseKind.FOLLOW_UP_DONE],
                "missed": self.kinds[CaseKind.FOLLOW_UP_MISSED],
            },
            "dead_letters": sum(self.dead_letters.values()),
            "doubled": self.doubled,
            "lost": self.waiting,
            "told": {
                "verified": self.verified,
                "unverified": self.unverified,
                "stale": len(self.stale),
                "untold": self.untold,
                "receipts": self.receipts,
                "mails": self.mails,
                "latency_ms": _latencies(self.telling),
            },
            "latency_ms": _latencies(latencies),
            "events_per_second": round(len(self.outcomes) / seconds, 1) if seconds > 0 else 0.0,
        }
