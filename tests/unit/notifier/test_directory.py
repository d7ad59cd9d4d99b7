"""Who can be told, as the policy in force says; and the routes that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from services.notifier.directory import CurrentRoutes, FollowedPeople
from services.notifier.registry import Registry
from shared.errors import Transient
from tests.unit.notifier.test_registry import fine, written

SINKS = "[sinks.chat]\nkind = 'slack'\n[sinks.mail]\nkind = 'smtp'\n"


class Topic:
    """The topic of policies: its end, and whom the last one knows."""

    def __init__(self) -> None:
        self.end = 0
        self.people: Mapping[str, Sequence[str]] = {}
        self.away = False
        self.loads = 0

    def tell_end(self) -> int:
        if self.away:
            raise Transient("Kafka is away")
        return self.end

    def load(self) -> Mapping[str, Sequence[str]]:
        self.loads += 1
        return self.people


def test_people_are_read_when_the_topic_has_grown_and_stay_while_kafka_is_away() -> None:
    topic = Topic()
    people = FollowedPeople(topic.tell_end, topic.load)
    people.refresh()
    assert (people.now, topic.loads) == ({}, 1)
    people.refresh()
    assert topic.loads == 1
    topic.end, topic.people = 1, {"anna": ("chat",)}
    people.refresh()
    assert people.now == {"anna": ("chat",)}
    topic.away = True
    people.refresh()
    assert people.now == {"anna": ("chat",)}


def test_nothing_is_planned_before_the_people_are_known(tmp_path: Path) -> None:
    registry, topic = Registry(written(tmp_path / "sinks.toml", SINKS), fine), Topic()
    topic.away, topic.people = True, {"anna": ("chat",)}
    people = FollowedPeople(topic.tell_end, topic.load)
    routes = CurrentRoutes(registry, people, frozenset())
    people.refresh()
    with pytest.raises(Transient):  # and hop 1 tries the same records again
        routes()
    topic.away = False
    people.refresh()
    assert routes().via("anna", "acme") == ("chat",)


def test_routes_are_the_same_object_until_sinks_or_people_change(tmp_path: Path) -> None:
    path, topic = written(tmp_path / "sinks.toml", SINKS), Topic()
    registry, people = Registry(path, fine), FollowedPeople(topic.tell_end, topic.load)
    people.refresh()
    routes = CurrentRoutes(registry, people, frozenset())
    first = routes()
    assert routes() is first
    assert first.via("anna", "acme") == ()
    topic.end, topic.people = 1, {"anna": ("mail", "nowhere")}
    people.refresh()
    second = routes()
    assert second is not first
    assert second.via("anna", "acme") == ("mail",)
    written(path, SINKS.replace("mail", "post"))
    assert registry.refresh()
    assert routes().via("anna", "acme") == ()
