"""Policies on a real broker: kept, acknowledged, read back; a file that changes is followed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Policy, fingerprint
from services.escalation.policies.current import CurrentPolicy
from services.escalation.policies.store import PARTITION, PolicyStore
from shared import topics
from shared.clock import ManualClock
from shared.config import Escalation, Scalar
from shared.errors import Misconfigured, Transient
from shared.metrics import Metrics
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

OTHER = msgspec.structs.replace(DEFAULT_POLICY, version="other", max_epochs=3)


@pytest.fixture
def client(installation: Installation) -> dict[str, Scalar]:
    installation.create_topics(2)
    return installation.loaded().config.kafka.client()


@pytest.fixture
def store(installation: Installation, client: dict[str, Scalar]) -> PolicyStore:
    made = PolicyStore(client, installation.names)

    def is_there() -> bool:
        try:
            made.load()
        except Transient:  # the topics were made a moment ago: no broker leads them yet
            return False
        return True

    wait_for(is_there, "the topic")
    return made


def test_policies_come_back_whole_in_the_order_they_came_into_force(store: PolicyStore) -> None:
    assert store.load() == {}
    store.keep(DEFAULT_POLICY, 1)
    store.keep(OTHER, 2, "somebody")
    assert list(store.load().items()) == [
        (DEFAULT_POLICY.version, DEFAULT_POLICY),
        ("other", OTHER),
    ]
    store.keep(DEFAULT_POLICY, 3)
    assert list(store.load()) == ["other", DEFAULT_POLICY.version]


def test_a_record_that_cannot_be_read_hides_no_other(
    store: PolicyStore, installation: Installation, client: dict[str, Scalar]
) -> None:
    producer = Producer(client)
    for value in (b"no json", b'{"type":"policy.version.v1","version":"x","at":1,"policy":{}}'):
        producer.produce(installation.names.of(topics.POLICIES), value, b"x", PARTITION)
    assert producer.flush(30) == 0
    store.keep(OTHER, 1)
    assert store.load() == {"other": OTHER}


def test_without_the_topic_it_is_told_what_to_do(installation: Installation) -> None:
    store = PolicyStore(installation.loaded().config.kafka.client(), installation.names)
    with pytest.raises(Misconfigured, match="tocsin topics apply"):
        store.load()


def test_without_a_broker_nothing_is_kept(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.escalation.policies.store.FLUSH_S", 1.0)
    client: dict[str, Scalar] = {"bootstrap.servers": "127.0.0.1:1"}
    with pytest.raises(Transient, match="policy other not acknowledged by Kafka"):
        PolicyStore(client, installation.names).keep(OTHER, 1)


def test_a_file_is_followed_and_each_policy_is_kept_first(
    store: PolicyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.following.EVERY_S", 0.05)
    file = tmp_path / "house.yaml"
    file.write_text("version: one\n", "utf-8")
    metrics = Metrics(CollectorRegistry())
    followed = CurrentPolicy(Escalation(policy_file=str(file)), store, ManualClock(), metrics)
    seen: list[Policy] = [followed.now()]
    followed.start()

    def refused() -> float:
        name = "tocsin_policy_reloads_total"
        return metrics.registry.get_sample_value(name, {"result": "refused"}) or 0.0

    def another() -> Policy | None:
        policy = followed.now()
        return policy if policy is not seen[-1] else None

    _replace(file, "calendars: {office: {zone: Asia/Kolkata, week: {mon: '09:00-17:00'}}}\n")
    seen.append(wait_for(another, "the second policy"))
    assert next(reversed(store.load().values())) == msgspec.structs.replace(seen[1], archive={})
    _replace(file, "version: three\nmax_epochs: 0\n")
    wait_for(refused, "the third is refused")
    assert followed.now() is seen[1]
    _replace(file, "version: four\n")
    seen.append(wait_for(another, "the fourth policy"))
    assert list(store.load()) == [policy.version for policy in seen]
    kolkata = seen[1].calendars[0]
    assert seen[2].archive[f"office@{fingerprint(kolkata)}"] == kolkata

    restarted = CurrentPolicy(Escalation(policy_file=str(file)), store, ManualClock(), metrics)
    assert restarted.now().archive[f"office@{fingerprint(kolkata)}"] == kolkata
    assert list(store.load()) == [policy.version for policy in seen], "nothing is written twice"


def _replace(file: Path, content: str) -> None:
    part = file.with_suffix(".part")
    part.write_text(content, "utf-8")
    part.replace(file)
