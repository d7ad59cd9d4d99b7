"""The default policy holds the numbers of the codebook."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, MINUTE, Policy
from shared.events import Severity


@pytest.mark.parametrize(
    ("severity", "waits", "repeat_ms", "expiry"),
    [
        (Severity.CRITICAL, [15 * MINUTE] * 3, 30 * MINUTE, 30 * MINUTE),
        (Severity.HIGH, [HOUR] * 2, 4 * HOUR, 2 * HOUR),
        (Severity.MEDIUM, [8 * HOUR] * 2, DAY, None),
        (Severity.UNDETERMINED, [15 * MINUTE] * 2, 4 * HOUR, None),
        (Severity.LOW, [], DAY, None),
    ],
)
def test_ladder(severity: Severity, waits: list[int], repeat_ms: int, expiry: int | None) -> None:
    plan = DEFAULT_POLICY.plan(severity)
    assert [step.wait_ms for step in plan.steps] == waits
    assert (plan.repeat, plan.repeat_ms, plan.ack_expiry_ms) == (2, repeat_ms, expiry)


@pytest.mark.parametrize(
    ("severity", "promises", "grace", "reopen"),
    [
        (Severity.CRITICAL, [DAY, 7 * DAY, 30 * DAY], DAY, 30 * DAY),
        (Severity.HIGH, [2 * DAY, 7 * DAY], DAY, 30 * DAY),
        (Severity.MEDIUM, [2 * DAY], 3 * DAY, 14 * DAY),
        (Severity.LOW, [7 * DAY], 3 * DAY, 14 * DAY),
        (Severity.UNDETERMINED, [7 * DAY], 3 * DAY, 14 * DAY),
    ],
)
def test_follow_ups(severity: Severity, promises: list[int], grace: int, reopen: int) -> None:
    plan = DEFAULT_POLICY.plan(severity)
    assert [promise.after_ms for promise in plan.follow_ups] == promises
    assert (plan.follow_up_grace_ms, plan.reopen_ms) == (grace, reopen)


def test_everyone_names_each_target_once() -> None:
    plan = DEFAULT_POLICY.critical
    twice = msgspec.structs.replace(plan, steps=plan.steps * 2)
    assert twice.everyone == ("on-call", "team-lead", "head-of-support")


def test_policy_survives_encoding() -> None:
    raw = msgspec.json.encode(DEFAULT_POLICY)
    assert msgspec.json.decode(raw, type=Policy) == DEFAULT_POLICY
