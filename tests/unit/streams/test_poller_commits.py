"""Offsets that the poller commits itself, for who has no transaction that carries them."""

from __future__ import annotations

from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared.streams import poller as module
from shared.streams.poller import Poller, consumer_settings
from shared.streams.records import Partition
from tests.unit.streams.fakes import IN, IN_1, FakeConsumer, metrics
from tests.unit.streams.test_poller import FakeSink

Commit = tuple[dict[Partition, int], bool]


class Committing(FakeConsumer):
    """Writes down what is committed, and whether the answer was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Commit] = []
        self.broken = False

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.broken:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        told = {Partition(at.topic, at.partition): at.offset for at in offsets}
        self.commits.append((told, asynchronous))


class Rig:
    """A poller that owns two partitions, from offsets 5 and 0 on; ``done`` may be committed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "COMMIT_EVERY_S", 0.0)
        self.consumer = Committing()
        self.done: dict[Partition, int] = {}
        self.poller = Poller(
            consumer_settings({"bootstrap.servers": "b:1"}, "g", 6_000),
            FakeSink([]),
            lambda _: None,
            lambda _: None,
            lambda error: pytest.fail(str(error)),
            metrics(),
            100,
            lambda: self.done,
        )
        self.consumer.offsets = {IN: 5}
        self.natives = [TopicPartition(*IN), TopicPartition(*IN_1)]
        self.poller._on_assign(self.native, self.natives)

    @property
    def native(self) -> Consumer:
        return cast("Consumer", self.consumer)

    def turn(self, **done: int) -> list[Commit]:
        """Take a turn after more has ended, and return what is committed in it."""
        self.done |= {Partition("in", int(name[1:])): offset for name, offset in done.items()}
        del self.consumer.commits[:]
        self.poller._turn(self.native)
        return self.consumer.commits


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_only_what_has_moved_is_committed_and_nobody_waits(rig: Rig) -> None:
    assert rig.turn() == []
    assert rig.turn(p0=5, p1=0) == []
    assert rig.turn(p0=7) == [({IN: 7}, True)]
    assert rig.turn() == []
    assert rig.turn(p1=3) == [({IN_1: 3}, True)]


def test_all_is_committed_before_partitions_are_given_back(rig: Rig) -> None:
    rig.turn(p0=7)
    rig.done[IN_1] = 2
    del rig.consumer.commits[:]
    rig.poller._on_revoke(rig.native, rig.natives)
    assert rig.consumer.commits == [({IN: 7, IN_1: 2}, False)]


def test_of_partitions_that_were_lost_nothing_is_committed(rig: Rig) -> None:
    rig.turn(p0=7)
    rig.done[IN] = 9
    del rig.consumer.commits[:]
    rig.poller._on_lost(rig.native, rig.natives)
    assert rig.consumer.commits == []
    assert rig.turn() == []


def test_what_belongs_to_others_is_never_committed(rig: Rig) -> None:
    assert rig.turn(p9=4) == []


def test_a_commit_that_fails_harms_nothing(rig: Rig) -> None:
    rig.consumer.broken = True
    assert rig.turn(p0=7) == []
    rig.consumer.broken = False
    rig.poller._on_revoke(rig.native, rig.natives)
    assert rig.consumer.commits == [({IN: 7, IN_1: 0}, False)]


def test_not_in_every_turn(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.turn(p0=7)
    monkeypatch.setattr(module, "COMMIT_EVERY_S", 3_600.0)
    assert rig.turn(p0=8) == []


def test_without_anybody_to_ask_nothing_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.poller._done = None
    assert rig.turn(p0=7) == []
    rig.poller._on_revoke(rig.native, rig.natives)
    assert rig.consumer.commits == []
