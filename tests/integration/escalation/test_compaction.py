"""``case.state`` after the broker has compacted it: the same cases, no tombstones, the marks stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from deploy.embedded.kafka import EmbeddedKafka
from shared import ids, topics
from shared.events import Case
from shared.streams.admin import Action, Change, TopicAdmin, client_settings
from tests.integration.escalation.rig import PARTITIONS, TENANT, Office
from tests.services import Installation, started, wait_for

pytestmark = pytest.mark.integration

EAGER = {
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "1000",
}
"""As the plan has it, but in seconds instead of days."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A broker of this test's own, which looks for what to compact all the time."""
    server = started(EmbeddedKafka(tmp_path / "kafka", overrides={"log.cleaner.backoff.ms": "200"}))
    try:
        yield server.bootstrap
    finally:
        server.stop()


def compact_eagerly(office: Office) -> None:
    """Have ``case.state`` compacted within seconds."""
    name = office.installation.names.of(topics.CASE_STATE)
    client = KafkaAdminClient(**client_settings(office.config.kafka))
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(EAGER))
        client.alter_configs([resource], incremental=True)
    finally:
        client.close()


def records(office: Office) -> list[tuple[str, bool]]:
    """Return key and whether there is a value, of everything in ``case.state``."""
    return [
        ((one.key or b"").decode(), one.value is not None) for one in office.log(topics.CASE_STATE)
    ]


def cases(office: Office) -> dict[str, Case]:
    """Return all cases of the view."""
    view = office.desk.view
    pages = [view.page(number, 1_000) for number in range(PARTITIONS)]
    return {case.case_id: case for page in pages for case in page}


def test_a_view_from_a_compacted_topic_is_the_same(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    office = Office(Installation(broker, redis_url), tmp_path / "office")
    gone = ids.record_key(TENANT, "gone")
    old = office.written("gone", "Before the erasure.")
    try:
        office.start()
        for number in range(4):
            case = office.opened(f"kept{number}")
            office.cases("ack", case.case_id)
            office.cases("note", case.case_id, "A remark.")
        office.send(old)
        case_id = ids.case_id(TENANT, "gone", old.feedback.feedback_id)
        office.shown(case_id, lambda _: True)
        assert office.tocsin("erase", gone, "--reason", "asked for", "--yes").code == 0
        compact_eagerly(office)
        filler = office.opened("filler")

        def compacted() -> bool:
            """New records let the segments roll; those before them are compacted, then rid of nulls."""
            for customer in ("filler", *(f"kept{number}" for number in range(PARTITIONS))):
                office.send(office.written(customer, "Something new."))
            office.cases("note", filler.case_id, "A new record.")
            found = records(office)
            settled = [key for key, _ in found if ":kept3:" in key or ":gone" in key]
            return all(count == 1 for count in Counter(settled).values()) and (
                (case_id, False) not in found
            )

        wait_for(compacted, "the compaction", 150.0, 1.0)
    finally:
        office.close()
    found = records(office)
    assert (gone, True) in found
    assert case_id not in [key for key, _ in found]

    before = cases(office)
    erased_at = office.desk.customer(gone).erased[gone]
    redis = office.desk.view._redis
    redis.delete(*redis.scan_iter(f"{office.installation.name}:*", 1_000))
    again = Office(office.installation, tmp_path / "again")
    try:
        again.start()
        assert cases(again) == before
        assert again.desk.customer(gone).erased == {gone: erased_at}
        item = msgspec.structs.replace(old.feedback, feedback_id="1" * 32)
        again.send(msgspec.structs.replace(old, feedback=item))
        assert again.outcome("1" * 32)["no_case_reason"] == "erased"
        replayed = again.tocsin("replay", "--all", "--json")
        assert replayed.rows[0]["differences"] == []
    finally:
        again.close()


def test_a_topic_of_before_is_given_its_new_cleanup(installation: Installation) -> None:
    """Dead letters were deleted by age only; now single ones can be taken out as well."""
    installation.create_topics(PARTITIONS)
    config = installation.loaded(kafka__partitions=PARTITIONS).config
    name = installation.names.of(topics.DEAD_LETTERS)
    client = KafkaAdminClient(**client_settings(config.kafka))
    try:
        former = ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "delete"})
        client.alter_configs([former], incremental=True)
    finally:
        client.close()
    with TopicAdmin(config.kafka) as admin:

        def planned() -> list[Change]:
            plan = admin.plan(installation.names, PARTITIONS)
            return [one for one in plan if one.action is not Action.NOTHING]

        [change] = wait_for(planned, "a plan to change it")  # a broker learns of it a little later
        assert (change.topic, change.action) == (name, Action.CONFIGURE)
        assert dict(change.settings) == {"cleanup.policy": "compact,delete"}
        admin.apply([change])
        wait_for(lambda: not planned(), "nothing to change any more")
        found = admin.existing([name])[name].settings
        assert found["cleanup.policy"] == "compact,delete"
        assert int(found["retention.ms"]) == topics.DEAD_LETTERS.retention_ms
