"""A policy file that changes: used when it is good and kept by Kafka, refused when it is broken."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Policy, fingerprint
from services.escalation.policies.current import CurrentPolicy, FixedPolicy
from services.escalation.policies.store import archive_of
from shared.clock import ManualClock
from shared.config import Escalation
from shared.errors import Misconfigured, Transient
from shared.metrics import Metrics


class Kept:
    """A topic in memory: what was acknowledged, in order."""

    def __init__(self) -> None:
        self.records: list[tuple[Policy, int, str]] = []
        self.away = False
        self.deaf = False

    def load(self) -> dict[str, Policy]:
        if self.away:
            raise Transient("away")
        found: dict[str, Policy] = {}
        for policy, _, _ in self.records:
            found.pop(policy.version, None)
            found[policy.version] = policy
        return found

    def keep(self, policy: Policy, at: int, by: str = "") -> None:
        if self.away or self.deaf:
            raise Transient("away")
        self.records.append((msgspec.structs.replace(policy, archive={}), at, by))

    @property
    def versions(self) -> list[str]:
        return [policy.version for policy, _, _ in self.records]


class Followed:
    """A policy file, and what follows it."""

    def __init__(self, file: Path, store: Kept) -> None:
        self.file, self.store, self.clock = file, store, ManualClock()
        self.metrics = Metrics(CollectorRegistry())
        settings = Escalation(policy_file=str(file))
        self.current = CurrentPolicy(settings, store, self.clock, self.metrics, "worker 1")

    def write(self, content: str) -> bool:
        """Replace the file and look at it once; return whether another policy is in force."""
        self.file.write_text(content + f"# {self.file.stat().st_size}\n", "utf-8")
        return self.current.refresh()

    def reloads(self, result: str) -> float:
        found = self.metrics.registry.get_sample_value(
            "tocsin_policy_reloads_total", {"result": result}
        )
        assert found is not None
        return found

    def in_force(self) -> list[str]:
        """Return the versions that the metric calls in force."""
        return [
            sample.labels["version"]
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "tocsin_policy_info"
        ]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    file = tmp_path / "house.yaml"
    file.write_text("version: one\n", "utf-8")
    return Followed(file, Kept())


def test_a_policy_is_kept_before_it_is_used(followed: Followed) -> None:
    assert followed.store.versions == []
    policy = followed.current.now()
    assert policy.version.startswith("one-")
    assert followed.store.records == [(policy, followed.clock.now_ms(), "worker 1")]
    assert followed.current.now() is policy, "cheap: the same object"


def test_a_good_file_is_taken_and_kept(followed: Followed) -> None:
    first = followed.current.now()
    assert followed.write("version: two\n")
    second = followed.current.now()
    assert second.version.startswith("two-")
    assert followed.store.versions == [first.version, second.version]
    assert (followed.reloads("used"), followed.reloads("refused")) == (1, 0)
    assert followed.in_force() == [second.version]


def test_a_broken_file_changes_nothing(followed: Followed) -> None:
    first = followed.current.now()
    assert not followed.write("version: two\nmax_epochs: 0\n")
    assert followed.current.now() is first
    assert followed.store.versions == [first.version]
    assert (followed.reloads("used"), followed.reloads("refused")) == (0, 1)
    assert not followed.current.refresh(), "told once"
    assert followed.reloads("refused") == 1
    assert followed.write("version: three\n")
    assert followed.current.now().version.startswith("three-")


def test_a_file_that_goes_away_changes_nothing(followed: Followed) -> None:
    first = followed.current.now()
    followed.file.unlink()
    assert not followed.current.refresh()
    assert followed.current.now() is first
    assert followed.reloads("refused") == 1


def test_a_remark_is_no_new_policy(followed: Followed) -> None:
    first = followed.current.now()
    assert not followed.write("# a remark\nversion: one\n")
    assert followed.current.now() is first
    assert followed.store.versions == [first.version]
    assert followed.reloads("used") == 0


@pytest.mark.parametrize("fault", ["away", "deaf"])
def test_what_kafka_does_not_keep_is_not_used_yet(followed: Followed, fault: str) -> None:
    first = followed.current.now()
    setattr(followed.store, fault, True)
    assert not followed.write("version: two\n")
    assert followed.current.now() is first
    setattr(followed.store, fault, False)
    assert followed.current.refresh()
    assert followed.current.now().version == followed.store.versions[-1] != first.version


def test_a_file_that_is_being_written_is_looked_at_again(followed: Followed) -> None:
    first = followed.current.now()
    followed.file.write_text("version: half\n", "utf-8")
    clock = followed.clock
    read = clock.now_ms

    def meanwhile() -> int:
        """Have the rest of the file written after the look at its stamp, before it is read."""
        with followed.file.open("a", encoding="utf-8") as file:
            file.write("max_epochs: 3\n")
        clock.now_ms = read  # type: ignore[method-assign]
        return read()

    clock.now_ms = meanwhile  # type: ignore[method-assign]
    assert not followed.current.refresh()
    assert followed.current.now() is first
    assert followed.current.refresh()
    assert followed.current.now().max_epochs == 3


def test_at_the_start_kafka_is_waited_for(followed: Followed) -> None:
    followed.store.away = True
    with pytest.raises(Transient):
        followed.current.now()
    assert not followed.write("version: two\n"), "nothing is in force yet"
    followed.store.away = False
    followed.current.now()
    assert followed.current.refresh()
    assert followed.current.now().version.startswith("two-")


def test_a_broken_file_at_the_start_ends_the_worker(tmp_path: Path) -> None:
    file = tmp_path / "house.yaml"
    file.write_text("max_epochs: 0\n", "utf-8")
    with pytest.raises(Misconfigured, match=r"^house.yaml:1:13: max_epochs: 0 is not between"):
        Followed(file, Kept())


def test_calendars_of_former_policies_are_archived(followed: Followed) -> None:
    first = followed.current.now()
    assert followed.write("calendars: {office: {zone: Asia/Kolkata, week: {mon: '09:00-10:00'}}}\n")
    second = followed.current.now()
    office = first.calendars[0]
    name = f"office@{fingerprint(office)}"
    assert second.archive[name] == office
    found = second.time_of(name)
    assert found is not None
    assert found.calendar == office, "a clock that runs goes on by what it began with"
    assert second.calendars[0].zone == "Asia/Kolkata"


def test_a_restart_knows_the_former_calendars_and_writes_nothing_twice(followed: Followed) -> None:
    followed.current.now()
    followed.write("calendars: {office: {zone: Asia/Kolkata, week: {mon: '09:00-10:00'}}}\n")
    before = followed.current.now()
    written = list(followed.store.versions)
    again = Followed(followed.file, followed.store).current.now()
    assert again.archive | archive_of([again]) == before.archive | archive_of([before])
    assert followed.store.versions == written


def test_a_policy_that_comes_back_is_the_last_one_again(followed: Followed) -> None:
    first = followed.current.now()
    followed.write("version: two\n")
    followed.write("version: one\n")
    assert next(reversed(followed.store.load())) == first.version


def test_without_a_file_the_packaged_policy_is_in_force() -> None:
    store = Kept()
    metrics = Metrics(CollectorRegistry())
    current = CurrentPolicy(Escalation(), store, ManualClock(), metrics)
    current.start()
    assert not current.refresh()
    assert current.now().version == DEFAULT_POLICY.version
    assert store.versions == [DEFAULT_POLICY.version]
    assert FixedPolicy().now() is DEFAULT_POLICY
