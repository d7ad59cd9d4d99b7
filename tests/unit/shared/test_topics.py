from __future__ import annotations

import pytest

from shared import topics
from shared.events import Case, CustomerErased, FeedbackClassified, FeedbackClassifiedV1
from shared.topics import ALL, DAY_MS, Cleanup, Names, Topic


def by_name(topic: Topic) -> str:
    return topic.name


def test_names_are_given_once_and_valid() -> None:
    names = [topic.name for topic in ALL]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz.-") for name in names)


def test_every_declared_topic_is_planned() -> None:
    declared = [value for value in vars(topics).values() if isinstance(value, Topic)]
    assert sorted(declared, key=by_name) == sorted(ALL, key=by_name)


def test_all_topics_have_equal_partitions() -> None:
    """Output partition = input partition everywhere, dead letters included."""
    assert [topic.name for topic in ALL if topic.partitions is not None] == []


def test_what_concerns_one_customer_has_the_customer_as_its_key() -> None:
    other = {topic.name: topic.key for topic in ALL if topic.key != "tenant:customer"}
    assert other == {
        "case.state": "case id",
        "feedback.outcomes": "feedback id",
        "feedback.corrections": "correction id",
        "feedback.originals": "digest",
        "ingest.watermarks": "source",
        "identity.links": "alias",
        "policies": "policy version",
        "insights": "tenant",
        "reply.routes": "route id",
        "dead-letters": "dead letter id",
    }


@pytest.mark.parametrize("topic", ALL, ids=by_name)
def test_the_producer_s_compression_is_kept(topic: Topic) -> None:
    assert topic.settings()["compression.type"] == "producer"


COMPACTED = [
    topics.FEEDBACK_CORRECTIONS,
    topics.CASE_STATE,
    topics.POLICIES,
    topics.REPLY_ROUTES,
    topics.WATERMARKS,
    topics.IDENTITY_LINKS,
]


def test_only_what_is_kept_for_good_is_compacted() -> None:
    assert [topic for topic in ALL if topic.cleanup is Cleanup.COMPACT] == COMPACTED
    assert topics.CASE_STATE.carries == (Case, CustomerErased)


def test_a_dead_letter_can_be_taken_out_and_is_gone_after_its_time() -> None:
    settings = topics.DEAD_LETTERS.settings()
    assert settings["cleanup.policy"] == "compact,delete"
    assert int(settings["retention.ms"]) == topics.DEAD_LETTERS.retention_ms == 45 * DAY_MS
    compacted = {**topics.CASE_STATE.settings(), "cleanup.policy": "compact,delete"}
    assert compacted.items() <= settings.items()


def test_a_tombstone_outlives_every_checkpoint_that_may_be_resumed() -> None:
    from services.escalation.view.rebuild import MAX_AGE_MS

    settings = topics.CASE_STATE.settings()
    assert settings["cleanup.policy"] == "compact"
    assert int(settings["delete.retention.ms"]) > MAX_AGE_MS
    assert int(settings["segment.ms"]) == DAY_MS
    assert 0 < float(settings["min.cleanable.dirty.ratio"]) < 1
    assert "retention.ms" not in settings


DELETED = [topic for topic in ALL if topic not in {*COMPACTED, topics.DEAD_LETTERS}]


@pytest.mark.parametrize("topic", DELETED, ids=by_name)
def test_the_others_are_kept_for_their_time(topic: Topic) -> None:
    settings = topic.settings()
    assert settings["cleanup.policy"] == "delete"
    assert int(settings["retention.ms"]) == topic.retention_ms >= 14 * DAY_MS


def test_outcomes_are_kept_as_long_as_they_are_remembered() -> None:
    from shared.config import Ingest

    assert Ingest().dedupe_days * DAY_MS <= topics.FEEDBACK_OUTCOMES.retention_ms


def test_old_versions_are_still_read() -> None:
    assert topics.FEEDBACK_CLASSIFIED.carries == (FeedbackClassified, FeedbackClassifiedV1)


def test_a_prefix_keeps_installations_apart() -> None:
    names = Names("blue.")
    assert names.of(topics.CASE_EVENTS) == "blue.case.events"
    assert names.group("classifier") == "blue.tocsin-classifier"
    assert Names().of(topics.CASE_EVENTS) == "case.events"
    assert Names().group("classifier") == "tocsin-classifier"
