"""(a), (b), (f): workers die, join and leave while feedback streams in."""

from __future__ import annotations

import time

import pytest

from tests.chaos.conftest import Rigs
from tests.chaos.rig import Size

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

KINDS = ("ingest", "classifier", "escalation")


def test_kill_9_of_each_worker_loses_and_doubles_nothing(rigs: Rigs, size: Size) -> None:
    with rigs() as rig:
        load = rig.send(size.events, size.rate)
        faults = size.bounces if size.bounces > 2 else 3
        for number in range(faults):
            rig.wait_progress(0.2 + 0.7 * number / faults)
            (member,) = rig.stack.of(KINDS[number % len(KINDS)])
            began = rig.kill(member)
            if load.running:
                rig.recover(f"kill -9 of {member.name} #{number}", began)
            rig.wait_ready()
        report = rig.judge()
    assert report.figures["accepted"] == size.events
    assert all(recovery.seconds < 30 for recovery in rig.recoveries)


def test_workers_that_join_and_leave_keep_everything_in_order(rigs: Rigs, size: Size) -> None:
    with rigs(3) as rig:
        rig.send(size.events, size.rate)
        for number in range(size.bounces):
            rig.wait_progress(0.1 + 0.8 * number / size.bounces)
            for kind in KINDS:
                members = rig.stack.of(kind)
                leaving, dying = rig.rng.sample(members, 2)
                began = time.monotonic()
                rig.kill(dying)
                rig.terminate(leaving)
            if rig.load is not None and rig.load.running:
                rig.recover(f"one of three leaves, one dies #{number}", began)
        rig.wait_ready()
        report = rig.judge()
    assert report.figures["accepted"] == size.events


def test_threefold_and_reordered_sends_leave_the_same_set(rigs: Rigs, size: Size) -> None:
    with rigs() as rig:
        events = size.events // 3
        rig.send(events, size.rate, copies=3)
        for number in range(max(1, size.bounces // 2)):
            rig.wait_progress(0.2 + 0.6 * number / size.bounces)
            rig.kill(rig.rng.choice(rig.stack.of("ingest") + rig.stack.of("escalation")))
            rig.wait_ready()
        report = rig.judge(ordered=False)
    assert report.figures["accepted"] == events
    assert report.figures["outcomes"] + report.figures["dead letters"] == events
