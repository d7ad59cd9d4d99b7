"""What a consumer's program imports: events as they come, each acknowledged after its body.

    with Escalations(bootstrap="localhost:9092", group="crm") as stream:
        for delivery in stream:
            with delivery:
                ticket.upsert(delivery.event)

At least once, in order per case. See deploy/docs/client.md; ``shared.client.testing`` is the same
without Kafka. It needs msgspec and confluent-kafka, and nothing else of the product's dependencies.
"""

from shared.client.dedupe import Dedupe, Ids, Latest, MemoryIds, Seen
from shared.client.delivery import AsyncDelivery, Delivery
from shared.client.policy import OnError, Park, Retry, Then
from shared.client.records import Parked, Partition, Record
from shared.client.settings import Measured, Settings, What
from shared.client.stream import (
    AsyncCaseEvents,
    AsyncEscalations,
    AsyncFollowUps,
    AsyncInsights,
    AsyncStream,
    CaseEvents,
    Escalations,
    FollowUps,
    Insights,
    Stream,
)
from shared.errors import Misconfigured

__all__ = [
    "AsyncCaseEvents",
    "AsyncDelivery",
    "AsyncEscalations",
    "AsyncFollowUps",
    "AsyncInsights",
    "AsyncStream",
    "CaseEvents",
    "Dedupe",
    "Delivery",
    "Escalations",
    "FollowUps",
    "Ids",
    "Insights",
    "Latest",
    "Measured",
    "MemoryIds",
    "Misconfigured",
    "OnError",
    "Park",
    "Parked",
    "Partition",
    "Record",
    "Retry",
    "Seen",
    "Settings",
    "Stream",
    "Then",
    "What",
]
