"""All topics: what each carries, how it is keyed, kept and partitioned. Named only here.

Topics that concern one customer are co-partitioned: the record key is ``tenant:customer_key``, all
have the same number of partitions, and output partition = input partition. ``case.state`` is keyed
by case id and ``feedback.corrections`` by correction id for compaction, ``feedback.outcomes`` by
feedback id; they are written to the customer's partition explicitly. The marks of erased customers
stand in ``case.state`` under their record key. A dead letter has a key of its own, so that one that
speaks of an erased customer can be taken out; it goes to the partition of the record that it holds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared import events

DAY_MS = 86_400_000


class Cleanup(enum.StrEnum):
    """Kafka's ``cleanup.policy``."""

    DELETE = "delete"
    COMPACT = "compact"
    COMPACT_DELETE = "compact,delete"


@dataclass(frozen=True)
class Topic:
    """Plan of one topic; ``partitions`` None means the co-partitioned count of the installation."""

    name: str
    carries: tuple[type[events.Struct], ...]
    key: str
    retention_ms: int
    cleanup: Cleanup = Cleanup.DELETE
    partitions: int | None = None

    def settings(self, replication: int = 1) -> dict[str, str]:
        """Return the topic-level Kafka configuration.

        With three replicas or more, ``acks=all`` has to mean at least two copies. The broker dates the
        records: it would refuse those of a worker whose clock is more than an hour ahead (so that
        nothing could be decided until somebody set it right), and delete those of one that is behind
        by more than the retention.
        """
        common = {
            "cleanup.policy": self.cleanup.value,
            "compression.type": "producer",
            "message.timestamp.type": "LogAppendTime",
        }
        if replication >= 3:
            common["min.insync.replicas"] = "2"
        if self.cleanup is not Cleanup.DELETE:
            common |= {
                "delete.retention.ms": str(7 * DAY_MS),
                "min.cleanable.dirty.ratio": "0.2",
                "segment.ms": str(DAY_MS),
            }
        if self.cleanup is not Cleanup.COMPACT:
            common["retention.ms"] = str(self.retention_ms)
        return common


FEEDBACK_RECEIVED = Topic(
    "feedback.received", (events.FeedbackReceived,), "tenant:customer", 14 * DAY_MS
)
FEEDBACK_CLASSIFIED = Topic(
    "feedback.classified",
    (events.FeedbackClassified, events.FeedbackClassifiedV1),
    "tenant:customer",
    14 * DAY_MS,
)
FEEDBACK_OUTCOMES = Topic(
    "feedback.outcomes", (events.FeedbackOutcome,), "feedback id", 45 * DAY_MS
)
FEEDBACK_CORRECTIONS = Topic(
    "feedback.corrections", (events.SeverityCorrected,), "correction id", -1, Cleanup.COMPACT
)
CASE_COMMANDS = Topic(
    "case.commands",
    (events.CaseCommand, events.EraseCustomer),
    "tenant:customer",
    14 * DAY_MS,
)
CASE_EVENTS = Topic("case.events", (events.CaseEvent,), "tenant:customer", 400 * DAY_MS)
CASE_STATE = Topic(
    "case.state", (events.Case, events.CustomerErased), "case id", -1, Cleanup.COMPACT
)
POLICIES = Topic("policies", (events.PolicyVersion,), "policy version", -1, Cleanup.COMPACT)
ESCALATIONS = Topic("escalations", (events.CaseEvent,), "tenant:customer", 45 * DAY_MS)
FOLLOWUPS = Topic("followups", (events.CaseEvent, events.ReplyDue), "tenant:customer", 45 * DAY_MS)
INSIGHTS = Topic("insights", (events.Insight,), "tenant", 45 * DAY_MS)
NOTIFICATIONS = Topic("notifications", (events.Notification,), "tenant:customer", 14 * DAY_MS)
DELIVERIES = Topic("deliveries", (events.Delivery,), "tenant:customer", 400 * DAY_MS)
REPLY_ROUTES = Topic("reply.routes", (events.ReplyRoute,), "route id", -1, Cleanup.COMPACT)
FEEDBACK_ORIGINALS = Topic("feedback.originals", (events.Original,), "digest", 30 * DAY_MS)
WATERMARKS = Topic("ingest.watermarks", (events.Watermark,), "source", -1, Cleanup.COMPACT)
IDENTITY_LINKS = Topic("identity.links", (events.IdentityLink,), "alias", -1, Cleanup.COMPACT)
DEAD_LETTERS = Topic(
    "dead-letters", (events.DeadLetter,), "dead letter id", 45 * DAY_MS, Cleanup.COMPACT_DELETE
)

ALL: tuple[Topic, ...] = (
    FEEDBACK_RECEIVED,
    FEEDBACK_CLASSIFIED,
    FEEDBACK_OUTCOMES,
    FEEDBACK_CORRECTIONS,
    CASE_COMMANDS,
    CASE_EVENTS,
    CASE_STATE,
    POLICIES,
    ESCALATIONS,
    FOLLOWUPS,
    INSIGHTS,
    NOTIFICATIONS,
    DELIVERIES,
    REPLY_ROUTES,
    FEEDBACK_ORIGINALS,
    WATERMARKS,
    IDENTITY_LINKS,
    DEAD_LETTERS,
)


class Names:
    """Topic names of one installation: an optional prefix keeps several apart on one cluster."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def of(self, topic: Topic) -> str:
        """Return the name of ``topic`` on the broker."""
        return self.prefix + topic.name

    def group(self, service: str) -> str:
        """Return the consumer group of a service."""
        return f"{self.prefix}tocsin-{service}"
