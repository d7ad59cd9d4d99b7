"""Members of a group as real processes: killed, joined, stopped, too slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.contract.client_beds import KafkaBed, customers, escalation
from tests.integration.client import member
from tests.integration.client.member import Plan
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
Line = tuple[str, str, str, int]


@dataclass
class Group:
    """A bed, and the members on it."""

    bed: KafkaBed
    folder: Path
    asynchronous: bool = False
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, **told: float) -> subprocess.Popen[bytes]:
        """Start a member and wait until it is open."""
        plan = Plan(
            name,
            self.bed.installation.bootstrap,
            self.bed.group,
            self.bed.installation.prefix,
            str(self.folder),
            self.asynchronous,
            **told,
        )
        paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        with (self.folder / f"{name}.stderr").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, member.__file__, msgspec.json.encode(plan).decode()],
                env=os.environ | {"PYTHONPATH": paths},
                stderr=errors,
            )
        self.running.append(process)
        wait_for(
            lambda: f"{name} open" in self.text() or process.poll() is not None, f"{name} open"
        )
        assert process.poll() is None, self.errors(name)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a member to end, and see that it does so well."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    def errors(self, name: str) -> str:
        """Return what a member said."""
        return (self.folder / f"{name}.stderr").read_text()

    def text(self) -> str:
        """Return the log of all."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def lines(self, word: str) -> list[Line]:
        """Return member, word, customer and number of the lines with this word, in order."""
        found = (line.split() for line in self.text().splitlines())
        return [(p[0], p[1], p[2], int(p[3])) for p in found if p[1] == word]

    def has(self, line: str) -> bool:
        """Tell whether the log has this line."""
        return line in self.text().splitlines()


@pytest.fixture
def group(installation: Installation, tmp_path: Path) -> Iterator[Group]:
    made = Group(KafkaBed(installation), tmp_path)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@both
def test_what_was_in_the_hands_of_a_killed_member_comes_again(
    group: Group, asynchronous: bool
) -> None:
    group.asynchronous = asynchronous
    (name,) = customers(1)
    for seq in range(1, 6):
        group.bed.publish(escalation(name, seq))
    hold = group.folder / f"{name}-3"
    hold.touch()
    first = group.start("a")
    wait_for(lambda: group.has(f"a begin {name} 3"), "the third body")
    first.kill()
    first.wait(10)
    hold.unlink()
    group.start("b")
    wait_for(lambda: group.has(f"b end {name} 5"), "the last body")
    assert [line[3] for line in group.lines("begin") if line[0] == "a"] == [1, 2, 3]
    assert [line[3] for line in group.lines("begin") if line[0] == "b"] == [3, 4, 5]
    assert [line[3] for line in group.lines("end")] == [1, 2, 3, 4, 5]


@both
def test_members_come_and_go_and_nothing_is_lost_doubled_or_out_of_order(
    group: Group, asynchronous: bool
) -> None:
    group.asynchronous = asynchronous
    names = [name for number in range(4) for name in customers(3, partition=number)]
    rounds = 60

    def publish(begin: int, end: int) -> None:
        for seq in range(begin, end):
            for name in names:
                group.bed.publish(escalation(name, seq))

    publish(0, rounds // 3)
    first = group.start("a", pace_s=0.005, commit_every_s=3_600.0)
    wait_for(lambda: len(group.lines("end")) > 20, "the first member works")
    group.start("b", pace_s=0.005, commit_every_s=3_600.0)
    publish(rounds // 3, 2 * rounds // 3)
    wait_for(lambda: any(line[0] == "b" for line in group.lines("end")), "the second one works")
    publish(2 * rounds // 3, rounds)
    group.stop(first)
    assert group.has("a closed")
    wanted = rounds * len(names)
    wait_for(lambda: len(group.lines("end")) >= wanted, "all bodies")
    group.stop(group.running[1])
    for name in names:
        for word in ("begin", "end"):
            assert [line[3] for line in group.lines(word) if line[2] == name] == list(range(rounds))
    assert {line[0] for line in group.lines("end")} == {"a", "b"}


@both
def test_an_acknowledgement_that_comes_too_late_is_refused_quietly(
    group: Group, asynchronous: bool
) -> None:
    group.asynchronous = asynchronous
    (name,) = customers(1)
    group.bed.publish(escalation(name, 1))
    hold = group.folder / f"{name}-1"
    hold.touch()
    slow = group.start("a", body_s=6.0)
    wait_for(lambda: group.has(f"a begin {name} 1"), "the slow body")
    group.start("b")
    wait_for(lambda: group.has(f"b begin {name} 1"), "the other member has it")
    hold.unlink()
    wait_for(lambda: group.has(f"a end {name} 1"), "the slow body ends")
    wait_for(lambda: "too late" in group.errors("a"), "it is refused")
    group.bed.publish(escalation(name, 2))
    wait_for(lambda: len([x for x in group.lines("end") if x[3] == 2]) == 1, "the next one")
    assert slow.poll() is None
    group.stop(slow)
