"""All events that cross a topic, and the vocabulary they use.

Every event is a frozen msgspec Struct whose ``type`` tag carries its schema version
(``feedback.received.v1``), so one tagged-union decode both dispatches and checks the version.
Schemas change additively: a new optional field keeps the version; anything else adds ``…V2``, keeps
the old Struct for reading and gives it an ``upcast``. Times are int64 milliseconds since the Unix
epoch, UTC; an absent optional field means "unknown". Customer identities appear only as pseudonyms.
"""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar

import msgspec


class Severity(enum.StrEnum):
    """How urgent a feedback or case is (deploy/docs/architecture.md, severity codebook)."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNDETERMINED = "undetermined"


class Channel(enum.StrEnum):
    """Where feedback comes from."""

    EMAIL = "email"
    PHONE = "phone"
    SOCIAL = "social"
    REVIEWS = "reviews"
    OTHER = "other"


class Kind(enum.StrEnum):
    """What the author wants with the text."""

    COMPLAINT = "complaint"
    QUESTION = "question"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    OTHER = "other"


class Reason(enum.StrEnum):
    """Why a text got its severity."""

    SAFETY = "safety"
    VULNERABLE = "vulnerable"
    FRAUD_SECURITY = "fraud_security"
    LEGAL = "legal"
    FINANCIAL_LOSS = "financial_loss"
    OUTAGE = "outage"
    REPEAT_CONTACT = "repeat_contact"
    CHURN = "churn"
    VIRAL = "viral"
    MISCONDUCT = "misconduct"
    VULNERABILITY = "vulnerability"
    QUALITY = "quality"
    DELAY = "delay"
    SERVICE = "service"
    PRICE = "price"
    ACCESS = "access"
    USABILITY = "usability"
    PRAISE = "praise"
    QUESTION = "question"
    SUGGESTION = "suggestion"
    OTHER = "other"


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Whole numbers of events that come from outside: JSON has no bounds, floats and Kafka do."""


class Struct(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of nested data: immutable, unset optional fields are left out of the JSON."""


# --------------------------------------------------------------------------- feedback


class Role(enum.StrEnum):
    """On whose side somebody is who writes or speaks."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    UNKNOWN = "unknown"


class Author(Struct, frozen=True):
    """Who wrote, without addresses: those become ``customer_key`` and nothing else.

    ``role`` is a ``Role`` (older events hold other words); ``verified``: the platform vouches for the
    account (a badge, a confirmed purchase).
    """

    name: str | None = None
    handle: str | None = None
    role: str = Role.CUSTOMER
    verified: bool = False
    country: str | None = None


class Operation(enum.StrEnum):
    """What a delivery does to its item."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Medium(enum.StrEnum):
    """The form of an item within its channel."""

    EMAIL = "email"
    SMS = "sms"
    CALL = "call"
    VOICEMAIL = "voicemail"
    POST = "post"
    COMMENT = "comment"
    DIRECT_MESSAGE = "dm"
    REVIEW = "review"
    TICKET = "ticket"
    SURVEY = "survey"
    OTHER = "other"


class Origin(enum.StrEnum):
    """Who or what produced a message; see "Machine mail and loops" in deploy/docs/channels.md.

    Only ``human`` and ``bulk`` (a person may write through a list) may open a case.
    """

    HUMAN = "human"
    AUTO_REPLY = "auto_reply"
    AUTO_GENERATED = "auto_generated"
    BOUNCE_HARD = "bounce_hard"
    BOUNCE_SOFT = "bounce_soft"
    RECEIPT = "receipt"
    ABUSE_REPORT = "abuse_report"
    BULK = "bulk"
    OWN_ECHO = "own_echo"


class TimeQuality(enum.StrEnum):
    """How far ``occurred_at`` can be trusted."""

    EXACT = "exact"
    DATE_ONLY = "date_only"
    ASSUMED_UTC = "assumed_utc"


class LanguageSource(enum.StrEnum):
    """Who says what language a text is in."""

    PROVIDER = "provider"
    DETECTED = "detected"


class Flag(enum.StrEnum):
    """What else is to be known about an item. ``backfill``: imported history, nobody is paged."""

    SPAM = "spam"
    TRANSLATED = "translated"
    PRIVATE = "private"
    TEST = "test"
    BACKFILL = "backfill"
    THIRD_PARTY = "third_party"
    IDENTITY_CONFLICT = "identity_conflict"
    UNVERIFIED_SENDER = "unverified_sender"


class Turn(Struct, frozen=True):
    """One utterance of a conversation; times in ms from its begin. The text is redacted."""

    speaker: Role
    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    confidence: float | None = None


class CallOutcome(enum.StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    MISSED = "missed"
    ABANDONED = "abandoned"
    VOICEMAIL = "voicemail"


class Transcript(enum.StrEnum):
    """What there is of a call in words; ``failed`` and ``pending`` are for a person to listen to."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    PENDING = "pending"
    NONE = "none"


class Call(Struct, frozen=True):
    """The telephone call that an item comes from."""

    call_id: str
    outcome: CallOutcome | None = None
    transcript: Transcript = Transcript.NONE
    direction: str | None = None
    duration_ms: int | None = None
    queue: str | None = None
    recording_url: str | None = None
    engine: str | None = None
    confidence: float | None = None


class Attachment(Struct, frozen=True):
    """What came along with an item; never the content itself."""

    name: str | None = None
    media_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    url: str | None = None


class Engagement(Struct, frozen=True):
    """How many people an item reached so far, as the platform counts them."""

    likes: Int64 | None = None
    reposts: Int64 | None = None
    replies: Int64 | None = None
    views: Int64 | None = None
    followers: Int64 | None = None


class Product(Struct, frozen=True):
    """What the item is about, as far as the platform says so."""

    app_id: str | None = None
    version: str | None = None
    platform: str | None = None
    location_id: str | None = None
    order_ref: str | None = None


class Authenticity(Struct, frozen=True):
    """How the delivery was authenticated, and what the mail checks of our own server found."""

    method: str
    verified: bool = False
    dkim: str | None = None
    spf: str | None = None
    dmarc: str | None = None


class Repeat(Struct, frozen=True):
    """The same customer said nearly the same before: ``count`` times in all, last in ``of``."""

    of: str
    count: int
    exact: bool = False


class RawReference(Struct, frozen=True):
    """Where the untouched original is: sealed in ``topic`` under ``digest``, or nowhere (None).

    The digest is keyed, so that nobody can try out what may have been redacted.
    """

    digest: str
    size: int
    topic: str | None = None


class Rating(Struct, frozen=True):
    """A star rating as given; ``norm`` maps it to 0 (worst) … 1 (best)."""

    value: float
    min: float = 1.0
    max: float = 5.0

    @property
    def norm(self) -> float:
        """Return the rating on a scale of 0 to 1."""
        return (self.value - self.min) / (self.max - self.min) if self.max > self.min else 0.0


class FeedbackReceived(Struct, frozen=True, tag_field="type", tag="feedback.received.v1"):
    """One revision of one item as intake accepted it (topic ``feedback.received``).

    ``text`` and every other free text is redacted; ``redacted`` counts what was taken out, by kind.
    Of a conversation ``text`` holds the customer's words only; ``turns`` has both sides.
    """

    feedback_id: str
    tenant: str
    source: str
    channel: Channel
    native_id: str
    record_key: str
    customer_key: str
    received_at: Int64
    text: str
    revision: str = "1"
    thread_id: str | None = None
    occurred_at: Int64 | None = None
    language: str | None = None
    rating: Rating | None = None
    author: Author | None = None
    truncated: bool = False
    content_hash: str = ""
    attributes: dict[str, str | int | float | bool] = {}
    op: Operation = Operation.CREATE
    provider: str = ""
    medium: Medium | None = None
    title: str | None = None
    parent_id: str | None = None
    url: str | None = None
    edited_at: Int64 | None = None
    time_quality: TimeQuality | None = None
    language_source: LanguageSource | None = None
    language_confidence: float | None = None
    turns: tuple[Turn, ...] = ()
    call: Call | None = None
    attachments: tuple[Attachment, ...] = ()
    engagement: Engagement | None = None
    product: Product | None = None
    authenticity: Authenticity | None = None
    origin: Origin = Origin.HUMAN
    may_auto_respond: bool = True
    flags: tuple[Flag, ...] = ()
    redacted: dict[str, int] = {}
    repeat: Repeat | None = None
    raw: RawReference | None = None


class Evidence(Struct, frozen=True):
    """A span of the text that a rule matched; offsets are code points, half-open."""

    rule: str
    start: int
    end: int
    text: str


class Issue(Struct, frozen=True):
    """One of several matters in a text: how grave it is, and its span (code points, half-open)."""

    severity: Severity
    kind: Kind
    start: int
    end: int
    reasons: tuple[Reason, ...] = ()


class Classification(Struct, frozen=True):
    """What the classifier found, and why.

    ``probabilities`` are calibrated and stand for low, medium, high and critical; empty without a model.
    ``themes`` are ids of the taxonomy, ``sentiment`` runs from -1 to 1, ``issues`` are given when there
    is more than one. Evidence of the rule ``model`` are the words that weighed most where no rule hit.
    ``second_opinion`` names what was asked beside the model, and had a part in the result.
    """

    severity: Severity
    kind: Kind
    confidence: float
    reasons: tuple[Reason, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    language: str | None = None
    model_version: str = ""
    rules_version: str = ""
    probabilities: tuple[float, ...] = ()
    themes: tuple[str, ...] = ()
    sentiment: float | None = None
    issues: tuple[Issue, ...] = ()
    second_opinion: str = ""


class FeedbackClassified(Struct, frozen=True, tag_field="type", tag="feedback.classified.v2"):
    """A feedback with its classification (topic ``feedback.classified``)."""

    feedback: FeedbackReceived
    classification: Classification
    classified_at: Int64


class FeedbackClassifiedV1(Struct, frozen=True, tag_field="type", tag="feedback.classified.v1"):
    """Read only: version 1 had flat fields and evidence as bare words without spans."""

    feedback: FeedbackReceived
    severity: Severity
    kind: Kind
    confidence: float
    classified_at: Int64
    reasons: tuple[Reason, ...] = ()
    evidence: tuple[str, ...] = ()

    def upcast(self) -> FeedbackClassified:
        """Return the version 2 event; words that stand in the text get their span back."""
        spans = []
        for word in self.evidence:
            start = self.feedback.text.find(word)
            end = start + len(word) if start >= 0 else 0
            spans.append(Evidence(rule="v1", start=max(start, 0), end=end, text=word))
        found = Classification(
            severity=self.severity,
            kind=self.kind,
            confidence=self.confidence,
            reasons=self.reasons,
            evidence=tuple(spans),
        )
        return FeedbackClassified(
            feedback=self.feedback, classification=found, classified_at=self.classified_at
        )


class OutcomeKind(enum.StrEnum):
    """What became of an accepted feedback; exactly one per feedback id.

    ``forwarded``: its case was merged into one of another customer, which takes it from here.
    """

    CASE_OPENED = "case_opened"
    CASE_ATTACHED = "case_attached"
    CASE_REOPENED = "case_reopened"
    FORWARDED = "forwarded"
    NO_CASE = "no_case"


class NoCaseReason(enum.StrEnum):
    """Why a feedback opened no case. It is counted all the same.

    ``machine``: no person wrote it; ``own_side``: we did; ``deleted``: no live case lists the item;
    ``erased``: it was received before its customer was erased.
    """

    PRAISE = "praise"
    QUESTION = "question"
    SUGGESTION = "suggestion"
    NOT_NEGATIVE = "not_negative"
    MACHINE = "machine"
    OWN_SIDE = "own_side"
    DELETED = "deleted"
    ERASED = "erased"


class FeedbackOutcome(Struct, frozen=True, tag_field="type", tag="feedback.outcome.v1"):
    """The one outcome of one feedback (topic ``feedback.outcomes``; dead letters are the other).

    ``case_id`` is the most urgent one when several issues opened a bundle: the rest are ``others``.
    """

    feedback_id: str
    tenant: str
    channel: Channel
    severity: Severity
    kind: OutcomeKind
    received_at: int
    decided_at: int
    case_id: str | None = None
    no_case_reason: NoCaseReason | None = None
    others: tuple[str, ...] = ()


class SeverityCorrected(Struct, frozen=True, tag_field="type", tag="severity.corrected.v1"):
    """A person says how grave a feedback is (topic ``feedback.corrections``); the next model learns it.

    ``was`` is what ``model_version`` and ``rules_version`` made of ``text``, which is redacted and
    whole: the topics of feedback forget. Without ``kind`` or ``reasons`` nothing is said of them. Of
    the corrections of a feedback the last one counts, by ``at``; of those of one id, the first.
    """

    correction_id: str
    feedback_id: str
    tenant: str
    record_key: str
    channel: Channel
    text: str
    severity: Severity
    was: Severity
    by: str
    at: Int64
    language: str | None = None
    kind: Kind | None = None
    reasons: tuple[Reason, ...] = ()
    note: str | None = None
    model_version: str = ""
    rules_version: str = ""


# --------------------------------------------------------------------------- intake's own state


class Original(Struct, frozen=True, tag_field="type", tag="feedback.original.v1"):
    """An untouched message, encrypted (topic ``feedback.originals``); ``RawReference`` points to it."""

    digest: str
    sealed: bytes
    size: int
    at: Int64
    truncated: bool = False


class Watermark(Struct, frozen=True, tag_field="type", tag="ingest.watermark.v1"):
    """How far a collector has read its source (topic ``ingest.watermarks``); the cursor is opaque.

    Everything up to ``cursor`` is in Kafka. ``items`` counts what was taken since the source is known.
    """

    source: str
    cursor: str
    at: Int64
    items: int = 0


class IdentityLink(Struct, frozen=True, tag_field="type", tag="identity.link.v1"):
    """Two verified identifiers belong to one person (topic ``identity.links``).

    Both are pseudonyms; what comes under ``alias`` is filed under ``customer_key``.
    """

    alias: str
    customer_key: str
    at: Int64
    feedback_id: str


# --------------------------------------------------------------------------- cases


class CaseState(enum.StrEnum):
    """Life of a case: how far the work on it is.

    ``open``: nobody has taken it; ``acknowledged`` … ``offered``: somebody works on it;
    ``resolved``: done, and the customer is still to be told; ``communicated``: told, promises are open;
    ``merged``: another case goes on for it.
    """

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATING = "investigating"
    WAITING_CUSTOMER = "waiting_customer"
    WAITING_THIRD_PARTY = "waiting_third_party"
    CLARIFIED = "clarified"
    OFFERED = "offered"
    RESOLVED = "resolved"
    COMMUNICATED = "communicated"
    CLOSED = "closed"
    MERGED = "merged"


class EscalationStatus(enum.StrEnum):
    """Where the escalation of a case stands."""

    NONE = "none"
    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"


class FollowUpState(enum.StrEnum):
    """Life of a follow-up."""

    SCHEDULED = "scheduled"
    DUE = "due"
    DONE = "done"
    WAIVED = "waived"
    MISSED = "missed"


class TimerKind(enum.StrEnum):
    """What a timer of a case is for."""

    STEP = "step"
    ACK_EXPIRY = "ack_expiry"
    FOLLOW_UP_DUE = "follow_up_due"
    FOLLOW_UP_MISSED = "follow_up_missed"
    CLOSE = "close"
    SNOOZE_END = "snooze_end"
    WAIT_END = "wait_end"
    NUDGE = "nudge"
    HELD = "held"
    REMIND = "remind"
    FORGET = "forget"


class Timer(Struct, frozen=True):
    """A deadline that lives in the case; ``version`` is its arming, so a stale firing is ignored."""

    kind: TimerKind
    due_at: int
    version: int
    ref: int = 0


class Step(Struct, frozen=True):
    """One rung of a ladder: who is notified, and how long they have to acknowledge.

    Targets are names of people, teams or rotas; ``gate`` names the calendar outside of which the step
    is not taken (critical cases ignore it).
    """

    targets: tuple[str, ...]
    wait_ms: int
    gate: str | None = None


class Ladder(Struct, frozen=True):
    """The steps of an escalation as they were when its epoch began: a later policy changes nothing.

    ``repeat`` counts the further rounds after the first; ``repeat_ms`` is the interval of the
    notifications once it is exhausted; ``ack_expiry_ms`` None: an acknowledgement holds for good.
    """

    name: str
    steps: tuple[Step, ...] = ()
    repeat: int = 2
    repeat_ms: int = 86_400_000
    ack_expiry_ms: int | None = None
    exhausted: tuple[str, ...] = ()


class Escalation(Struct, frozen=True):
    """State of a case's escalation: ``epoch`` counts restarts, ``step`` the rung reached in it.

    A run begins at opening, a raised severity or a reopening: its time is ``started_at`` and its
    first epoch ``first_epoch``. The cap on re-escalation counts from there. ``held_since``: the step
    waits for a gate to open or a mute window to end, and is looked at again then.
    """

    status: EscalationStatus = EscalationStatus.NONE
    epoch: int = 0
    first_epoch: int = 1
    step: int = 0
    rounds: int = 0
    started_at: int | None = None
    policy: str = ""
    ladder: Ladder | None = None
    held_since: int | None = None
    acknowledged_at: int | None = None


class Via(enum.StrEnum):
    """How a follow-up reaches the customer."""

    CALL = "call"
    MESSAGE = "message"
    SURVEY = "survey"


class FollowUp(Struct, frozen=True):
    """One promised follow-up after a resolution."""

    number: int
    kind: str
    due_at: int
    state: FollowUpState = FollowUpState.SCHEDULED
    changed_at: int | None = None
    via: Via | None = None
    reason: str | None = None


class ClockKind(enum.StrEnum):
    """The promises that are measured; what starts, stops and pauses each is in the architecture page.

    ``receipt``: the customer is told that the message has arrived; ``thank_you``: praise and
    suggestions are answered.
    """

    RECEIPT = "receipt"
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    FIRST_RESOLUTION = "first_resolution"
    TOTAL_RESOLUTION = "total_resolution"
    THANK_YOU = "thank_you"


class ClockState(enum.StrEnum):
    """Where a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


class Clock(Struct, frozen=True):
    """One instance of a promise: elapsed is the time it was active *and* its calendar open.

    ``calendar`` is ``name@version``, "" runs round the clock. ``intervals`` are the finished active
    ones; ``since`` is the start of the present one (kept when fulfilled, so that a bounced reply lets
    it go on as if it had never been answered). ``due_at`` is the first instant at which the
    elapsed time is ``target_ms``, None while paused; ``next_at`` the next warning or breach. A breach
    is recorded once and stays. With a new target it is not due before ``grace_until``.
    """

    kind: ClockKind
    instance: str
    target_ms: int
    started_at: int
    calendar: str = ""
    state: ClockState = ClockState.RUNNING
    intervals: tuple[tuple[int, int], ...] = ()
    since: int | None = None
    due_at: int | None = None
    next_at: int | None = None
    warned: int = 0
    breached_at: int | None = None
    ended_at: int | None = None
    policy: str = ""
    retargeted: bool = False
    grace_until: int | None = None


class ClockChangeKind(enum.StrEnum):
    """What happened to a clock."""

    ACTIVATED = "activated"
    PAUSED = "paused"
    RESUMED = "resumed"
    TARGET_APPLIED = "target_applied"
    WARNED = "warned"
    BREACHED = "breached"
    FULFILLED = "fulfilled"
    REVOKED = "revoked"
    CANCELLED = "cancelled"


class ClockChange(Struct, frozen=True):
    """One record of a clock, in the event that caused it; ``at`` is the instant that counts for it."""

    clock: ClockKind
    instance: str
    change: ClockChangeKind
    at: int
    target_ms: int
    due_at: int | None = None
    elapsed_ms: int | None = None
    percent: int | None = None


class Solution(enum.StrEnum):
    """What a customer can be offered."""

    REFUND = "refund"
    REPLACEMENT = "replacement"
    COMPENSATION = "compensation"
    DISCOUNT = "discount"
    REDO = "redo"
    APOLOGY = "apology"
    EXPLANATION = "explanation"


class Clarification(Struct, frozen=True):
    """What was asked and answered to understand the matter, or why that was not needed."""

    asked: str | None = None
    answered: str | None = None
    not_needed: str | None = None


class Offer(Struct, frozen=True):
    """The choice of solutions: offered, chosen by the customer, approved by somebody, fulfilled."""

    options: tuple[Solution, ...] = ()
    chosen: Solution | None = None
    approved_by: str | None = None
    fulfilled_at: int | None = None


class Resolution(Struct, frozen=True):
    """How a matter was resolved; outcome, reason and next step are required.

    ``root_cause`` and ``prevention``: why it happened, and what was done that it does not again.
    """

    outcome: str
    reason: str
    next_step: str
    root_cause: str | None = None
    prevention: str | None = None


class Verdict(enum.StrEnum):
    """What becomes of a suggestion."""

    ACCEPTED = "accepted"
    PLANNED = "planned"
    DECLINED = "declined"


class Reply(Struct, frozen=True):
    """A message of ours to the customer. ``clocks`` are those it fulfilled, as ``kind/instance``.

    ``told``: it told the resolution.
    """

    at: int
    by: str
    id: str
    channel: Channel | None = None
    clocks: tuple[str, ...] = ()
    bounced: bool = False
    told: bool = False


class Refused(Struct, frozen=True):
    """A command of late that was refused, for whoever sent it and asks the case."""

    command_id: str
    refusal: str
    detail: str = ""


class Cause(enum.StrEnum):
    """What made a decision: feeds the audit event, the metric label and the tests alike.

    A feedback that joins a case does so as ``feedback`` or ``repeat_contact`` (said before in nearly
    the same words), both of which count as contacts, or without counting: as ``revision`` or
    ``deletion`` of an item that the case lists, as ``machine`` mail, or as a message of our
    ``own_side``.
    """

    FEEDBACK = "feedback"
    COMMAND = "command"
    ACK_TIMEOUT = "ack_timeout"
    ACK_EXPIRED = "ack_expired"
    SEVERITY_RAISED = "severity_raised"
    REPEAT = "repeat"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    FOLLOW_UP = "follow_up"
    FOLLOW_UP_OVERDUE = "follow_up_overdue"
    FOLLOW_UPS_SETTLED = "follow_ups_settled"
    REPEAT_CONTACT = "repeat_contact"
    REVISION = "revision"
    DELETION = "deletion"
    MACHINE = "machine"
    OWN_SIDE = "own_side"
    MERGED = "merged"
    REPLY = "reply"
    BOUNCE = "bounce"
    CLOCK = "clock"
    GATE = "gate"
    MUTED = "muted"
    NO_ONE_ON_CALL = "no_one_on_call"
    RETARGET = "retarget"
    WAIT_OVER = "wait_over"
    NO_RESPONSE = "no_response"
    SNOOZE_OVER = "snooze_over"
    THANKED = "thanked"
    AUDIT = "audit"
    LOOP_SUSPECTED = "loop_suspected"
    NOTHING_PENDING = "nothing_pending"
    CONTACT_FAILED = "contact_failed"
    RETENTION = "retention"


class FeedbackRef(Struct, frozen=True):
    """A feedback that belongs to a case: enough to read, not the whole item.

    ``item`` is what its revisions have in common: 12 hex digits over source and native id, "" in
    older events. ``cause`` says as what it joined. A revision takes the place of the one before.
    ``asked_at``: when the customer said what wants an answer. ``of``: the case of another customer
    that it came with, when that was merged into this one.
    """

    feedback_id: str
    channel: Channel
    severity: Severity
    received_at: int
    excerpt: str
    item: str = ""
    cause: Cause = Cause.FEEDBACK
    deleted: bool = False
    asked_at: int | None = None
    of: str = ""


class Case(Struct, frozen=True, tag_field="type", tag="case.v1"):
    """Snapshot of a case: value of the compacted topic ``case.state``, part of every case event.

    ``feedback_count`` counts what the customer sent: no revisions, machines or replies of ours.
    ``backfilled``: all it knows is imported history, so nobody is paged until something new comes.
    ``waiting_since`` is the oldest message of the customer that nobody has answered. Cases that one
    message opened share their ``bundle``; ``aliases`` are the cases that were merged into this one.
    ``threads`` are theirs. ``legal_hold``: the reason why it must not be erased. ``set_by``: who set
    the severity by hand.
    """

    MAX_REFS: ClassVar[int] = 20
    UNRESOLVED: ClassVar[frozenset[CaseState]] = frozenset({
        CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.INVESTIGATING, CaseState.WAITING_CUSTOMER,
        CaseState.WAITING_THIRD_PARTY, CaseState.CLARIFIED, CaseState.OFFERED,
    })  # fmt: skip
    SETTLING: ClassVar[frozenset[CaseState]] = frozenset({
        CaseState.RESOLVED, CaseState.COMMUNICATED,
    })  # fmt: skip
    ENDED: ClassVar[frozenset[CaseState]] = frozenset({CaseState.CLOSED, CaseState.MERGED})

    case_id: str
    tenant: str
    record_key: str
    customer_key: str
    channel: Channel
    source: str
    severity: Severity
    kind: Kind
    state: CaseState
    opened_at: int
    case_seq: int
    timer_version: int = 0
    reasons: tuple[Reason, ...] = ()
    thread_id: str | None = None
    feedback_count: int = 1
    feedback: tuple[FeedbackRef, ...] = ()
    escalation: Escalation = Escalation()
    follow_ups: tuple[FollowUp, ...] = ()
    timers: tuple[Timer, ...] = ()
    commands: tuple[str, ...] = ()
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    resolved_at: int | None = None
    resolved_by: str | None = None
    resolution: str | None = None
    closed_at: int | None = None
    reopen_count: int = 0
    backfilled: bool = False
    clocks: tuple[Clock, ...] = ()
    assignee: str | None = None
    team: str | None = None
    language: str | None = None
    themes: tuple[str, ...] = ()
    waiting_since: int | None = None
    clarification: Clarification | None = None
    offer: Offer | None = None
    outcome: Resolution | None = None
    verdict: Verdict | None = None
    communicated_at: int | None = None
    investigating: bool = False
    wait_until: int | None = None
    nudges: int = 0
    snoozed_until: int | None = None
    replies: tuple[Reply, ...] = ()
    refused: tuple[Refused, ...] = ()
    bundle: str | None = None
    part: int = 0
    follow_up_of: str | None = None
    merged_into: str | None = None
    aliases: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    reopened_at: tuple[int, ...] = ()
    quarantined: bool = False
    legal_hold: str | None = None
    set_by: str | None = None
    may_auto_respond: bool = True

    @property
    def next_due_at(self) -> int | None:
        """Return the earliest deadline of the case, or None when nothing is pending."""
        first = None
        for timer in self.timers:
            if first is None or timer.due_at < first:
                first = timer.due_at
        for clock in self.clocks:
            if clock.next_at is not None and (first is None or clock.next_at < first):
                first = clock.next_at
        return first


class CaseEventKind(enum.StrEnum):
    """What happened to a case."""

    OPENED = "case.opened"
    FEEDBACK_ATTACHED = "case.feedback_attached"
    SEVERITY_RAISED = "case.severity_raised"
    ACKNOWLEDGED = "case.acknowledged"
    RESOLVED = "case.resolved"
    REOPENED = "case.reopened"
    CLOSED = "case.closed"
    ESCALATION_TRIGGERED = "escalation.triggered"
    ACK_TIMED_OUT = "escalation.ack_timed_out"
    REESCALATED = "escalation.reescalated"
    ESCALATION_EXHAUSTED = "escalation.exhausted"
    FOLLOW_UP_SCHEDULED = "followup.scheduled"
    FOLLOW_UP_DUE = "followup.due"
    FOLLOW_UP_DONE = "followup.done"
    FOLLOW_UP_WAIVED = "followup.waived"
    FOLLOW_UP_MISSED = "followup.missed"
    COMMAND_REFUSED = "command.refused"
    SEVERITY_CORRECTED = "case.severity_corrected"
    ASSIGNED = "case.assigned"
    INVESTIGATING = "case.investigating"
    WAITING = "case.waiting"
    WAIT_OVER = "case.wait_over"
    CLARIFIED = "case.clarified"
    OFFERED = "case.offered"
    REPLIED = "case.replied"
    REPLY_BOUNCED = "case.reply_bounced"
    COMMUNICATED = "case.communicated"
    NOTED = "case.noted"
    DECIDED = "case.decided"
    SNOOZED = "case.snoozed"
    SNOOZE_OVER = "case.snooze_over"
    MERGED = "case.merged"
    ABSORBED = "case.absorbed"
    UNMERGED = "case.unmerged"
    HELD_FOR_LAW = "case.legal_hold"
    REPAIRED = "case.repaired"
    REMINDED = "case.reminded"
    REAPPLIED = "case.reapplied"
    QUARANTINED = "case.quarantined"
    RECEIPT_SENT = "receipt.sent"
    NUDGE_DUE = "nudge.due"
    CLOCK_WARNED = "clock.warned"
    CLOCK_BREACHED = "clock.breached"
    STEP_SKIPPED = "escalation.step_skipped"
    STEP_HELD = "escalation.step_held"
    NOTIFICATION_SUPPRESSED = "notification.suppressed"


class Refusal(enum.StrEnum):
    """Why a command was refused."""

    UNKNOWN_CASE = "unknown_case"
    WRONG_STATE = "wrong_state"
    SEQ_MISMATCH = "seq_mismatch"
    NO_SUCH_FOLLOW_UP = "no_such_follow_up"
    MISSING = "missing"
    INVALID = "invalid"
    NOT_CLARIFIED = "not_clarified"
    CYCLE = "cycle"
    OTHER_TENANT = "other_tenant"
    NOT_ALLOWED = "not_allowed"
    LEGAL_HOLD = "legal_hold"


class CaseEvent(Struct, frozen=True, tag_field="type", tag="case.event.v1"):
    """One thing that happened to a case (topics ``case.events``, ``escalations``, ``followups``).

    ``at`` is business time (a deadline that fell due carries the deadline); ``recorded_at`` is when
    the decision was made. ``case_seq`` is contiguous per case: discard what is not above the last.
    A refused command on an unknown case has ``case`` None and ``case_seq`` 0. ``clocks`` are the
    changes of clocks that came with it. ``policy`` is the version that was in force, ``facts`` what
    else the decision was told (how much work people had); a replay needs both. ``detail`` says in
    words what the rest does not.
    """

    event_id: str
    kind: CaseEventKind
    case_id: str
    case_seq: int
    tenant: str
    at: int
    recorded_at: int
    cause: Cause
    case: Case | None = None
    feedback_id: str | None = None
    command_id: str | None = None
    actor: str | None = None
    epoch: int | None = None
    step: int | None = None
    targets: tuple[str, ...] = ()
    follow_up: FollowUp | None = None
    refusal: Refusal | None = None
    note: str | None = None
    feedback_received_at: int | None = None
    clocks: tuple[ClockChange, ...] = ()
    policy: str = ""
    facts: dict[str, int] = {}
    detail: str = ""


class CommandKind(enum.StrEnum):
    """What a person or an integration can ask of a case.

    ``absorb``, ``absorbed``, ``forward`` and ``forget`` are what the cases of two customers say to each
    other when they are merged, and when one of the customers is erased; nobody else sends them.
    ``audit`` is the auditor's.
    """

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    FOLLOW_UP_DONE = "follow_up_done"
    FOLLOW_UP_WAIVE = "follow_up_waive"
    RECEIPT = "receipt"
    REPLY = "reply"
    BOUNCE = "bounce"
    ASSIGN = "assign"
    DELEGATE = "delegate"
    INVESTIGATE = "investigate"
    WAIT = "wait"
    CLARIFY = "clarify"
    OFFER = "offer"
    COMMUNICATE = "communicate"
    DECIDE = "decide"
    REOPEN = "reopen"
    CLOSE = "close"
    NOTE = "note"
    SNOOZE = "snooze"
    MERGE = "merge"
    UNMERGE = "unmerge"
    CORRECT_SEVERITY = "correct_severity"
    REAPPLY = "reapply"
    HOLD = "hold"
    RELEASE = "release"
    ABSORB = "absorb"
    ABSORBED = "absorbed"
    FORWARD = "forward"
    FORGET = "forget"
    AUDIT = "audit"


class CaseCommand(Struct, frozen=True, tag_field="type", tag="case.command.v1"):
    """A request to change a case (topic ``case.commands``); idempotent by ``command_id``.

    Which of the optional fields a kind needs is told by a refusal that names the missing one.
    ``until`` ends a wait or a snooze; ``case`` is the other one of a merge, as a snapshot. ``epoch`` is
    that of the page which is acknowledged: a later one is not meant.
    """

    command_id: str
    tenant: str
    case_id: str
    kind: CommandKind
    actor: str
    at: Int64
    expected_seq: Int64 | None = None
    follow_up: Int64 | None = None
    note: str | None = None
    assignee: str | None = None
    team: str | None = None
    until: Int64 | None = None
    on: str | None = None
    clarification: Clarification | None = None
    offer: Offer | None = None
    resolution: Resolution | None = None
    verdict: Verdict | None = None
    severity: Severity | None = None
    kind_is: Kind | None = None
    reasons: tuple[Reason, ...] = ()
    into: str | None = None
    case: Case | None = None
    feedback: FeedbackRef | None = None
    message_id: str | None = None
    channel: Channel | None = None
    epoch: Int64 | None = None


class EraseCustomer(Struct, frozen=True, tag_field="type", tag="customer.erase.v1"):
    """A request to erase all that is kept of a customer (topic ``case.commands``)."""

    command_id: str
    tenant: str
    record_key: str
    actor: str
    at: Int64
    reason: str


class CustomerErased(Struct, frozen=True, tag_field="type", tag="customer.erased.v1"):
    """The receipt of an erasure, and the mark by which no replay brings it back.

    It stands in ``case.state`` under the record key. What was received up to ``erased_at`` opens no
    case any more.
    """

    command_id: str
    tenant: str
    record_key: str
    actor: str
    erased_at: Int64
    reason: str
    cases: tuple[str, ...] = ()


class PolicyVersion(Struct, frozen=True, tag_field="type", tag="policy.version.v1"):
    """A policy that was in force from ``at`` on (topic ``policies``), whole, under its version."""

    version: str
    at: Int64
    policy: msgspec.Raw
    by: str = ""


# --------------------------------------------------------------------------- downstream


class MessageKind(enum.StrEnum):
    """What a message to a customer is for."""

    RECEIPT = "receipt"
    PROGRESS = "progress"
    RESOLUTION = "resolution"
    FOLLOW_UP = "follow_up"
    SURVEY = "survey"
    NUDGE = "nudge"


class NoReply(enum.StrEnum):
    """Why a message to a customer is not sent by itself."""

    NOT_AUTOMATIC = "not_automatic"
    MACHINE = "machine"
    NO_WRITER = "no_writer"
    NO_ADDRESS = "no_address"
    BUDGET = "budget"
    LINT = "lint"
    REFUSED = "refused"


class ReplyDue(Struct, frozen=True, tag_field="type", tag="reply.due.v1"):
    """A person has to write to a customer, since the product does not (topic ``followups``).

    ``due_at`` is when the promise runs out, None without one. ``draft`` is what would have been
    written, "" where there is nothing to propose; ``detail`` says in words why it was not sent.
    """

    reply_id: str
    tenant: str
    case_id: str
    record_key: str
    kind: MessageKind
    why: NoReply
    channel: Channel
    severity: Severity
    at: int
    due_at: int | None = None
    targets: tuple[str, ...] = ()
    language: str = ""
    draft: str = ""
    detail: str = ""


class Insight(Struct, frozen=True, tag_field="type", tag="insight.v1"):
    """Something that was learnt of many cases together (topic ``insights``).

    ``kind`` is an open word, such as ``pattern.confirmed``; consumers pass over one that they do not
    know. ``targets`` are people, teams or rotas of the policy.
    """

    insight_id: str
    tenant: str
    kind: str
    at: int
    title: str
    severity: Severity = Severity.MEDIUM
    detail: str = ""
    targets: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


class NotificationKind(enum.StrEnum):
    """What a notification wants of its target.

    ``page``: act, and acknowledge; ``inform``: know; ``acknowledge`` and ``resolve`` take a page back;
    ``event``: a system that follows everything; ``customer``: a message to the customer.
    """

    PAGE = "page"
    INFORM = "inform"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    EVENT = "event"
    CUSTOMER = "customer"


class Notification(Struct, frozen=True, tag_field="type", tag="notification.v1"):
    """One thing to tell one target by one sink (topic ``notifications``).

    The id is the same over all attempts, restarts and replays. ``epoch`` is that of the page, which is
    not sent once another began. ``message`` is set of those to customers. ``origin`` is the integration
    that caused the event: it is not told what it said itself. ``replay`` names the replay that wrote
    it once more: it is delivered although it was before.
    """

    notification_id: str
    sink: str
    kind: NotificationKind
    tenant: str
    cause: CaseEvent | ReplyDue | Insight
    planned_at: int
    target: str = ""
    case_id: str = ""
    epoch: int | None = None
    message: MessageKind | None = None
    origin: str = ""
    replay: str = ""

    @property
    def told_as(self) -> str:
        """By which its end is remembered: each replay is one more."""
        return f"{self.notification_id}/{self.replay}" if self.replay else self.notification_id


class DeliveryStatus(enum.StrEnum):
    """How a notification ended.

    ``stale``: it was not sent, since what it asked for was done or another epoch began; ``dropped``: the
    sink is gone or disabled, or takes no such thing; ``parked``: it is a dead letter, and can be
    replayed; ``passed_on``: a customer's message became a ``ReplyDue``.
    """

    DELIVERED = "delivered"
    STALE = "stale"
    DROPPED = "dropped"
    PARKED = "parked"
    PASSED_ON = "passed_on"


class Delivery(Struct, frozen=True, tag_field="type", tag="delivery.v1"):
    """What was told to whom, written after it was (topic ``deliveries``).

    ``cause_id`` is the id of the event behind it. ``reference`` is what the other side calls it: a
    ticket, a message id. ``attempts`` counts the tries of the process that ended it.
    """

    notification_id: str
    sink: str
    target: str
    kind: NotificationKind
    status: DeliveryStatus
    tenant: str
    cause_id: str
    at: int
    attempts: int = 1
    case_id: str = ""
    epoch: int | None = None
    message: MessageKind | None = None
    reference: str = ""
    detail: str = ""


class ReplyRoute(Struct, frozen=True, tag_field="type", tag="reply.route.v1"):
    """Where a customer can be answered (compacted topic ``reply.routes``).

    ``sealed`` is an encrypted ``Route`` (``shared.routes``); the key is ``route_id``, which begins with
    the record key, so that an erasure finds all of a customer.
    """

    route_id: str
    record_key: str
    source: str
    channel: Channel
    sealed: bytes
    at: Int64
    thread_id: str | None = None


# --------------------------------------------------------------------------- dead letters


class DeadLetter(Struct, frozen=True, tag_field="type", tag="dead.letter.v1"):
    """A record that could never be processed, whole: bytes are base64 in the JSON.

    ``copy``: the record went on all the same (a text that no rule could read is classified as
    undetermined), so this is for a person to look at and not the record's outcome. ``sealed``: the
    value is encrypted with ``privacy.seal_key``, since it was never redacted.
    """

    stage: str
    reason: str
    detail: str
    at: int
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    attempts: int = 1
    copy: bool = False
    feedback_id: str | None = None
    channel: Channel | None = None
    sealed: bool = False


Event = (
    FeedbackReceived
    | FeedbackClassified
    | FeedbackOutcome
    | SeverityCorrected
    | Case
    | CaseEvent
    | CaseCommand
    | EraseCustomer
    | CustomerErased
    | PolicyVersion
    | DeadLetter
    | Original
    | Watermark
    | IdentityLink
    | ReplyDue
    | Insight
    | Notification
    | Delivery
    | ReplyRoute
)
