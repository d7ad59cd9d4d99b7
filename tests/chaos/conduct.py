"""The judge of conduct: pages, the life of a case, follow-ups, answers. Imports no product code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.chaos.findings import Finding, Rule, by_case
from tests.chaos.history import History

PAGES = frozenset({"escalation.triggered", "escalation.reescalated", "escalation.exhausted"})
QUIET = frozenset({"acknowledged", "cancelled"})
AFTER_CLOSED = frozenset({
    "case.reopened", "case.noted", "case.feedback_attached", "case.legal_hold", "command.refused",
})  # fmt: skip
AFTER_MERGED = AFTER_CLOSED - {"case.reopened"} | {"case.unmerged"}
STEPS: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"scheduled"}),
    "scheduled": frozenset({"due", "done", "waived"}),
    "due": frozenset({"missed", "done", "waived"}),
    "missed": frozenset({"done", "waived"}),
    "done": frozenset(),
    "waived": frozenset(),
}
"""The states that a follow-up may enter next."""

OPENINGS = {
    "case_opened": "case.opened",
    "case_attached": "case.feedback_attached",
    "case_reopened": "case.reopened",
}
"""Kind of an outcome, and of the event that the case has of it."""


def pages(history: History) -> Iterator[Finding]:
    """Nobody is paged twice for the same, nor once somebody took the case; a ladder never runs."""
    for case_id, entries in by_case(history).items():
        quiet, told = 0, set[tuple[bool, int, int, int]]()
        paged_in: tuple[int, Any] | None = None
        for entry in entries:
            event = entry.value
            case = event.get("case") or {}
            what = f"{case_id} #{event['case_seq']} {event['kind']} ({event['cause']})"
            if event["kind"] in PAGES and event["cause"] != "follow_up_overdue":
                decision = (event["recorded_at"], event.get("command_id", event.get("feedback_id")))
                if decision == paged_in:
                    yield Finding(Rule.PAGED_AT_ONCE, what)
                paged_in = decision
                epoch, page = event.get("epoch", 0), _page(event)
                if page in told:
                    yield Finding(Rule.PAGED_TWICE, f"{what}: {page}")
                told.add(page)
                if epoch <= quiet:
                    yield Finding(Rule.PAGED_QUIET, f"{what}: epoch {epoch}, quiet since {quiet}")
            stands = case.get("escalation", {})
            if stands.get("status") in QUIET:
                quiet = max(quiet, stands.get("epoch", 0))


def _page(event: Mapping[str, Any]) -> tuple[bool, int, int, int]:
    """Return what a page is for: a step of a round of an epoch, or everyone once that is over."""
    stands = event["case"].get("escalation", {})
    everyone = stands.get("status") == "exhausted"
    return everyone, event.get("epoch", 0), stands.get("rounds", 0), event.get("step", 0)


def life(history: History) -> Iterator[Finding]:
    """Nothing happens to a case that is over, and it ends with all its promises settled."""
    for case_id, entries in by_case(history).items():
        over = ""
        for entry in entries:
            event = entry.value
            case = event.get("case")
            if case is None:
                continue
            allowed = AFTER_CLOSED if over == "closed" else AFTER_MERGED
            if over and event["kind"] not in allowed:
                yield Finding(
                    Rule.AFTER_END, f"{case_id} #{event['case_seq']} {event['kind']}: it is {over}"
                )
            over = case["state"] if case["state"] in {"closed", "merged"} else ""
            if over:
                yield from _ended(f"{case_id} #{event['case_seq']}", case)


def _ended(what: str, case: Mapping[str, Any]) -> Iterator[Finding]:
    pending = [timer["kind"] for timer in case.get("timers", ()) if timer["kind"] != "forget"]
    pending += [
        clock["kind"]
        for clock in case.get("clocks", ())
        if clock.get("state", "running") in {"running", "paused"}
    ]
    if pending:
        yield Finding(Rule.AFTER_END, f"{what}: pending in a case that is over: {pending}")
    if case["state"] == "closed":
        states = [item.get("state", "scheduled") for item in case.get("follow_ups", ())]
        if any(state not in {"done", "waived"} for state in states):
            yield Finding(Rule.UNSETTLED, f"{what}: {states}")


def follow_ups(history: History) -> Iterator[Finding]:
    """Each follow-up goes scheduled, due, missed, and ends done or waived, once; none is early."""
    for case_id, entries in by_case(history).items():
        states: dict[int, str] = {}
        for entry in entries:
            event = entry.value
            item = event.get("follow_up")
            if item is None or not event["kind"].startswith("followup."):
                continue
            what = f"{case_id} #{event['case_seq']} {event['kind']} {item['number']}"
            after = event["kind"].removeprefix("followup.")
            before = states.get(item["number"])
            put_off = (after, before, event["cause"]) == ("scheduled", "scheduled", "follow_up")
            if put_off and item.get("via") == "survey" and item["due_at"] > event["at"]:
                continue  # no survey in the middle of a talk
            if after not in STEPS[before]:
                yield Finding(Rule.FOLLOW_UP, f"{what}, when it was {before}")
            if after == "due" and event["at"] != item["due_at"]:
                yield Finding(Rule.FOLLOW_UP, f"{what}: due at {item['due_at']}, not {event['at']}")
            states[item["number"]] = after


def outcomes(history: History) -> Iterator[Finding]:
    """What an outcome says of a case stands in the events of that case, and nowhere else."""
    seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in history.of("case.events"):
        event = entry.value
        if "feedback_id" in event:
            seen[event["feedback_id"]].add((event["case_id"], event["kind"]))
    for entry in history.of("feedback.outcomes"):
        outcome = entry.value
        found, kind = seen[outcome["feedback_id"]], OPENINGS.get(outcome["kind"])
        what = f"{outcome['feedback_id']}: {outcome['kind']}"
        if kind is None:
            if outcome["kind"] == "no_case" and found:
                yield Finding(Rule.OUTCOME, f"{what}, but there are {sorted(found)}")
            continue
        named = [outcome["case_id"], *outcome.get("others", ())]
        for case_id in named:
            if (case_id, kind) not in found:
                yield Finding(Rule.OUTCOME, f"{what}, but {case_id} has no {kind}")
        for case_id, _ in sorted(found):
            if case_id not in named:
                yield Finding(Rule.OUTCOME, f"{what}, but {case_id} has events of it")


def answers(sent: Iterable[str], history: History) -> Iterator[Finding]:
    """Every command that was sent is carried out or refused, in one decision.

    Args:
        sent: ids of commands, each sent once or more.
    """
    given: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for entry in history.of("case.events"):
        if "command_id" in entry.value:
            given[entry.value["command_id"]][entry.value["case_id"]].append(entry.value)
    for command_id in sent:
        if command_id not in given:
            yield Finding(Rule.UNANSWERED, command_id)
        refused = False
        for case_id, events in given.get(command_id, {}).items():
            numbers = [event["case_seq"] for event in events]
            whole = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            refused = refused or any(event["kind"] == "command.refused" for event in events)
            if not whole or len({event["recorded_at"] for event in events}) > 1:
                yield Finding(Rule.ANSWERED_TWICE, f"{command_id}: {case_id} {numbers}")
        if refused and sum(len(events) for events in given[command_id].values()) > 1:
            yield Finding(Rule.ANSWERED_TWICE, f"{command_id}: refused, and something else")
