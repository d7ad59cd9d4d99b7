from __future__ import annotations

import dataclasses

import pytest

from shared import topics
from shared.config import Kafka
from shared.errors import Misconfigured
from shared.streams.admin import Action, Change, Existing, TopicAdmin, client_settings, plan
from shared.topics import ALL, Names

NAMES = Names("blue.")


def as_planned(partitions: int = 8) -> dict[str, Existing]:
    """Return all topics the way they ought to be."""
    return {NAMES.of(topic): Existing(partitions, topic.settings()) for topic in ALL}


def line(changes: list[Change], topic: topics.Topic) -> Change:
    return next(change for change in changes if change.topic == NAMES.of(topic))


def test_on_an_empty_cluster_everything_is_created() -> None:
    changes = plan({}, NAMES, 8)
    assert [change.topic for change in changes] == [NAMES.of(topic) for topic in ALL]
    assert {change.action for change in changes} == {Action.CREATE}
    assert {change.partitions for change in changes} == {8}
    for change, topic in zip(changes, ALL, strict=True):
        assert change.settings == topic.settings()


def test_what_is_as_planned_stays() -> None:
    changes = plan(as_planned(), NAMES, 8)
    assert {change.action for change in changes} == {Action.NOTHING}
    assert all(not change.settings and not change.detail for change in changes)


def test_settings_of_others_are_left_alone() -> None:
    existing = as_planned()
    name = NAMES.of(topics.CASE_EVENTS)
    existing[name] = Existing(8, {**existing[name].settings, "max.message.bytes": "2000000"})
    assert line(plan(existing, NAMES, 8), topics.CASE_EVENTS).action is Action.NOTHING


def test_only_the_settings_that_differ_are_changed() -> None:
    existing = as_planned()
    name = NAMES.of(topics.CASE_STATE)
    settings = {**existing[name].settings, "cleanup.policy": "delete"}
    del settings["segment.ms"]
    existing[name] = Existing(8, settings)
    change = line(plan(existing, NAMES, 8), topics.CASE_STATE)
    assert change.action is Action.CONFIGURE
    assert change.settings == {"cleanup.policy": "compact", "segment.ms": str(topics.DAY_MS)}
    assert "cleanup.policy: delete → compact" in change.detail
    assert "segment.ms: None" in change.detail


@pytest.mark.parametrize("partitions", [4, 16])
def test_another_number_of_partitions_is_refused_with_a_way_out(partitions: int) -> None:
    change = line(plan(as_planned(partitions), NAMES, 8), topics.CASE_EVENTS)
    assert change.action is Action.REFUSE
    assert change.settings == {}
    assert f"kafka.partitions={partitions}" in change.detail


def test_a_topic_with_a_count_of_its_own_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    single = dataclasses.replace(topics.DEAD_LETTERS, partitions=1)
    monkeypatch.setattr("shared.streams.admin.ALL", (topics.CASE_EVENTS, single))
    assert [change.partitions for change in plan({}, NAMES, 8)] == [8, 1]


def test_topics_of_other_installations_do_not_count() -> None:
    changes = plan({topic.name: Existing(3, {}) for topic in ALL}, NAMES, 8)
    assert {change.action for change in changes} == {Action.CREATE}


def test_a_refused_plan_changes_nothing() -> None:
    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was called")

    admin = object.__new__(TopicAdmin)
    admin._client = Untouched()
    with pytest.raises(Misconfigured, match=r"blue\.case\.events has 4 partitions"):
        admin.apply(plan(as_planned(4), NAMES, 8))


def test_clients_of_kafka_python_get_the_same_connection() -> None:
    assert client_settings(Kafka())["sasl_mechanism"] is None
    settings = client_settings(
        Kafka(
            bootstrap_servers="b:1",
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            sasl_username="u",
            sasl_password="p",
            ssl_ca_location="/ca",
        )
    )
    assert settings == {
        "bootstrap_servers": "b:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
        "ssl_cafile": "/ca",
    }
