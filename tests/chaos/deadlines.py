"""The judge of time: timers, clocks, and that something is always pending. Imports no product code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.findings import Finding, Rule, by_case
from tests.chaos.history import Entry, History

FIRINGS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("escalation.ack_timed_out", "ack_timeout"): ("step",),
    ("escalation.reescalated", "repeat"): ("step", "held"),
    ("escalation.reescalated", "ack_expired"): ("ack_expiry",),
    ("escalation.exhausted", "ack_expired"): ("ack_expiry",),
    ("followup.due", "follow_up"): ("follow_up_due",),
    ("followup.scheduled", "follow_up"): ("follow_up_due",),
    ("followup.waived", "follow_up"): ("follow_up_due",),
    ("followup.missed", "follow_up"): ("follow_up_missed",),
    ("nudge.due", "clock"): ("nudge",),
    ("case.wait_over", "wait_over"): ("wait_end",),
    ("case.snooze_over", "snooze_over"): ("snooze_end",),
    ("case.reminded", "nothing_pending"): ("remind", "close"),
}
"""Event kind and cause that a passed deadline has, and the timers that may be behind it."""

ENDED = frozenset({"closed", "merged"})
LIVE = frozenset({"running", "paused", "live"})
WAITING = frozenset({"pending", "exhausted"})
STEPS = frozenset({"step", "held", "snooze_end"})


def timers_behind(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kinds of timers whose firing an event may tell of, none for any other event."""
    return FIRINGS.get((event["kind"], event["cause"]), ())


def deadlines(case: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return all that is pending in a snapshot: what it is, and when it is due."""
    found = [(timer["kind"], timer["due_at"]) for timer in case.get("timers", ())]
    found += [
        (f"clock {clock['kind']}/{clock['instance']}", clock["next_at"])
        for clock in case.get("clocks", ())
        if clock.get("next_at") is not None
    ]
    return found


def overdue(history: History, now_ms: int, grace_ms: int) -> Iterator[Finding]:
    """Nothing is forgotten: at the end no deadline has been due for longer than ``grace_ms``.

    Args:
        now_ms: policy time at which the workers were stopped.
        grace_ms: how late a deadline may be then.
    """
    for case_id, entries in by_case(history).items():
        for what, due_at in deadlines(entries[-1].value.get("case") or {}):
            if due_at + grace_ms < now_ms:
                late_s = (now_ms - due_at) / 1000
                yield Finding(Rule.TIMER_MISSED, f"{case_id}: {what} is {late_s:.0f} s overdue")


def timers(history: History) -> Iterator[Finding]:
    """Every arming of a timer fires at most once, with its deadline, in order; nothing is early."""
    for case_id, entries in by_case(history).items():
        armed: dict[tuple[str, int], set[int]] = {}
        fired: Counter[tuple[str, int]] = Counter()
        for entry in entries:
            event = entry.value
            what = f"{case_id} #{event['case_seq']} {event['kind']} at {event['at']}"
            if event["recorded_at"] < event["at"]:
                yield Finding(Rule.TIMER_EARLY, f"{what}, recorded at {event['recorded_at']}")
            if kinds := timers_behind(event):
                yield from _fired(what, [(kind, event["at"]) for kind in kinds], armed, fired)
            for timer in (event.get("case") or {}).get("timers", ()):
                armed.setdefault((timer["kind"], timer["due_at"]), set()).add(timer["version"])
        yield from _in_order(case_id, entries)


def _fired(
    what: str,
    candidates: Sequence[tuple[str, int]],
    armed: Mapping[tuple[str, int], set[int]],
    fired: Counter[tuple[str, int]],
) -> Iterator[Finding]:
    timer = next((one for one in candidates if one in armed), None)
    if timer is None:
        yield Finding(Rule.TIMER_UNARMED, what)
        return
    fired[timer] += 1
    if fired[timer] > len(armed[timer]):
        yield Finding(Rule.TIMER_TWICE, what)


def _in_order(case_id: str, entries: Sequence[Entry]) -> Iterator[Finding]:
    last: tuple[int, int] | None = None
    for entry in entries:
        event = entry.value
        if not is_firing(event):
            continue
        if last is not None and last[0] == event["recorded_at"] and last[1] > event["at"]:
            yield Finding(Rule.TIMER_ORDER, f"{case_id} #{event['case_seq']} {event['kind']}")
        last = (event["recorded_at"], event["at"])


def is_firing(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is there because a deadline passed, and for no other reason."""
    by_itself = "command_id" not in event and "feedback_id" not in event
    told = event["kind"] in {"clock.breached", "clock.warned"}
    return by_itself and (told or bool(timers_behind(event)))


def next_steps(history: History) -> Iterator[Finding]:
    """Every live case has something pending; who waits for an acknowledgement has a next step."""
    for case_id, entries in by_case(history).items():
        case = entries[-1].value.get("case")
        if case is None or case["state"] in ENDED or case.get("backfilled"):
            continue
        if not deadlines(case):
            yield Finding(Rule.NEXT_STEP, f"{case_id}: {case['state']}, and nothing is pending")
        waits = case["state"] == "open" and _status(case) in WAITING
        if waits and not STEPS & {timer["kind"] for timer in case.get("timers", ())}:
            yield Finding(Rule.NEXT_STEP, f"{case_id}: nobody acknowledged, and no step comes")


def _status(case: Mapping[str, Any]) -> str:
    return str(case.get("escalation", {}).get("status", "none"))


# --------------------------------------------------------------------------- clocks

_LIVE = frozenset({"target_applied", "fulfilled", "cancelled"})
_RUNNING = frozenset({"warned", "breached", "paused"})
ALLOWED: Mapping[str, frozenset[str]] = {
    "": frozenset({"activated"}),
    "running": _LIVE | _RUNNING,
    "paused": _LIVE | {"resumed"},
    "live": _LIVE | {"paused", "resumed"},
    "fulfilled": frozenset({"revoked", "resumed"}),
    "cancelled": frozenset({"revoked", "resumed"}),
}
"""By state: the changes that may follow.

``live``: running or paused. A clock that is broken already has no deadline to tell them apart by.
"""
AFTER: Mapping[str, str] = {
    "paused": "paused",
    "resumed": "running",
    "fulfilled": "fulfilled",
    "cancelled": "cancelled",
}
"""The state after a change that always leads to the same one."""


@dataclass
class _Clock:
    """One instance, as its changes so far tell."""

    state: str = ""
    began: int = 0
    due_at: int | None = None
    breached: bool = False
    warned: int = 0

    def after(self, change: Mapping[str, Any]) -> str:
        """Return the state after a change; where a clock (again) begins, its deadline tells."""
        if change["change"] in AFTER:
            return AFTER[change["change"]]
        if change["change"] not in {"activated", "revoked"}:
            return self.state
        if "due_at" in change:
            return "running"
        return "live" if self.breached else "paused"


def clocks(history: History) -> Iterator[Finding]:
    """Clocks change as they may, break at most once, at their deadline, and count forwards.

    No change is recorded before its time. But a clock never ends before it began: when the wall clock
    was set back meanwhile, its end is its begin.
    """
    for case_id, entries in by_case(history).items():
        standing: dict[tuple[str, str], _Clock] = {}
        for entry in entries:
            event = entry.value
            changes = event.get("clocks", ())
            for change in changes:
                key = (change["clock"], change["instance"])
                what = (
                    f"{case_id} #{event['case_seq']} {key[0]}/{key[1]} {change['change']} "
                    f"at {change['at']}"
                )
                clock = standing.setdefault(key, _Clock())
                if event["recorded_at"] < change["at"] != clock.began:
                    yield Finding(Rule.TIMER_EARLY, f"{what}, recorded at {event['recorded_at']}")
                yield from _change(clock, change, what)
            broken = sum(change["change"] == "breached" for change in changes)
            if broken != (event["kind"] == "clock.breached"):
                said = f"{case_id} #{event['case_seq']} {event['kind']}: {broken} breaches"
                yield Finding(Rule.CLOCK_UNTOLD, said)
        yield from _snapshot(case_id, entries, standing)


def _change(clock: _Clock, change: Mapping[str, Any], what: str) -> Iterator[Finding]:
    kind = change["change"]
    if kind not in ALLOWED[clock.state]:
        yield Finding(Rule.CLOCK, f"{what}, when it was {clock.state or 'unknown'}")
        return
    if change.get("elapsed_ms", 0) < 0:
        yield Finding(Rule.CLOCK_NEGATIVE, f"{what}: {change['elapsed_ms']} ms")
    if kind == "breached":
        if clock.breached:
            yield Finding(Rule.CLOCK_TWICE, what)
        elif clock.due_at != change["at"]:
            yield Finding(Rule.CLOCK_DEADLINE, f"{what}, due at {clock.due_at}")
        clock.breached = True
    elif kind == "warned":
        if change["percent"] <= clock.warned:
            yield Finding(Rule.CLOCK_TWICE, f"{what}: {change['percent']} %")
        clock.warned = change["percent"]
    elif kind == "target_applied":
        clock.warned = 0
    elif kind == "fulfilled" and clock.due_at is not None and clock.due_at <= change["at"]:
        yield Finding(Rule.CLOCK_DEADLINE, f"{what}, due at {clock.due_at}: no breach before")
    elif kind == "activated":
        clock.began = change["at"]
    clock.state = clock.after(change)
    clock.due_at = change.get("due_at")


def _snapshot(
    case_id: str, entries: Sequence[Entry], standing: Mapping[tuple[str, str], _Clock]
) -> Iterator[Finding]:
    """The last snapshot has the clocks that the changes amount to; ended ones may be forgotten."""
    shown = {
        (clock["kind"], clock["instance"]): clock
        for clock in (entries[-1].value.get("case") or {}).get("clocks", ())
    }
    for key in sorted(standing.keys() | shown.keys()):
        told, seen = standing.get(key), shown.get(key)
        what = f"{case_id} {key[0]}/{key[1]}"
        if told is None or not told.state:
            yield Finding(Rule.CLOCK_SNAPSHOT, f"{what}: in the snapshot only")
        elif seen is None:
            if told.state in LIVE:
                yield Finding(Rule.CLOCK_SNAPSHOT, f"{what} is {told.state}, and gone")
        elif not _agree(told, seen):
            yield Finding(Rule.CLOCK_SNAPSHOT, f"{what}: {seen}, the changes say {told}")
        elif any(end < begin for begin, end in seen.get("intervals", ())):
            yield Finding(Rule.CLOCK_NEGATIVE, f"{what}: {seen['intervals']}")


def _agree(told: _Clock, seen: Mapping[str, Any]) -> bool:
    states = {"running", "paused"} if told.state == "live" else {told.state}
    return seen.get("state", "running") in states and ("breached_at" in seen) == told.breached
