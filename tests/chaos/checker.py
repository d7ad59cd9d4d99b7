"""The judge: holds what clients were promised against what is in the log. Imports no product code.

Every rule is a function from data to findings. The unit tests feed each one a broken history, for a
checker that cannot fail proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import conduct, deadlines
from tests.chaos.findings import Finding, Rule, by_case
from tests.chaos.history import Entry, History

TOPICS = (
    "feedback.received",
    "feedback.classified",
    "feedback.outcomes",
    "case.events",
    "case.state",
    "escalations",
    "followups",
    "dead-letters",
)


@dataclass(frozen=True)
class Promise:
    """One item that a client was told is taken (2xx): its id and its place in its sender's order."""

    feedback_id: str
    sender: str
    number: int


@dataclass
class Report:
    """What was found, and figures that are no violations by themselves."""

    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = Counter(finding.rule for finding in self.findings)
        lines = [f"  {name}: {value}" for name, value in self.figures.items()]
        lines += [f"VIOLATION {rule.name} × {n}: {rule}" for rule, n in counts.items()]
        shown: Counter[Rule] = Counter()
        for finding in self.findings:
            shown[finding.rule] += 1
            if shown[finding.rule] <= 5:
                lines.append(f"    {finding.rule.name}: {finding.detail}")
        return "\n".join(lines)


def check(promises: Iterable[Promise], history: History, *, ordered: bool = True) -> Report:
    """Judge a finished run.

    Args:
        promises: all items that clients got a 2xx for, each once.
        history: everything committed, workers stopped.
        ordered: senders waited for each answer before they sent on, so their order must hold.
    """
    promised = list(promises)
    rules: list[Iterator[Finding]] = [
        settled(promised, history),
        case_events(history),
        case_states(history),
        copies(history),
        stages_in_order(history),
        deadlines.timers(history),
        deadlines.clocks(history),
        deadlines.next_steps(history),
        conduct.pages(history),
        conduct.life(history),
        conduct.follow_ups(history),
        conduct.outcomes(history),
    ]
    if ordered:
        rules.append(senders_in_order(promised, history))
    report = Report([finding for rule in rules for finding in rule])
    report.figures = figures(promised, history)
    return report


# --------------------------------------------------------------------------- sets


def settled(promised: Sequence[Promise], history: History) -> Iterator[Finding]:
    """Accepted ids = ids with an outcome or a dead letter; each exactly once."""
    accepted = {promise.feedback_id for promise in promised}
    logged = {entry.value["feedback_id"] for entry in history.of("feedback.received")}
    outcomes = Counter(_id(entry) for entry in history.of("feedback.outcomes"))
    dead = {
        found
        for entry in history.of("dead-letters")
        if entry.value["stage"] != "ingest"
        and not entry.value.get("copy")
        and (found := entry.value.get("feedback_id"))
    }
    for one in sorted(accepted - logged):
        yield Finding(Rule.NOT_LOGGED, one)
    for one in sorted((accepted | logged) - outcomes.keys() - dead):
        yield Finding(Rule.LOST, one)
    for one in sorted((outcomes.keys() | dead) - accepted - logged):
        yield Finding(Rule.UNASKED, one)
    for one in sorted(outcomes.keys() & dead):
        yield Finding(Rule.TWICE, f"{one}: an outcome and a dead letter")
    for one, count in sorted(outcomes.items()):
        if count > 1:
            yield Finding(Rule.TWICE, f"{one}: {count} outcomes")


def _id(entry: Entry) -> str:
    return str(entry.value["feedback_id"])


# --------------------------------------------------------------------------- cases


def case_events(history: History) -> Iterator[Finding]:
    """No event twice; the events of a case count up from 1 without a gap, in one partition."""
    for event_id, count in Counter(
        entry.value["event_id"] for entry in history.of("case.events")
    ).items():
        if count > 1:
            yield Finding(Rule.DOUBLE_EVENT, f"{event_id}: {count} times")
    for case_id, entries in by_case(history).items():
        numbers = [entry.value["case_seq"] for entry in entries if entry.value["case_seq"]]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Finding(Rule.SEQ, f"{case_id}: {numbers[:40]}")
        if len({entry.partition for entry in entries}) > 1:
            yield Finding(Rule.ORDER, f"{case_id}: events in several partitions")


def case_states(history: History) -> Iterator[Finding]:
    """The last snapshot in ``case.state`` is that of the case's last event, and never goes back."""
    last: dict[str, Any] = {}
    for entry in history.of("case.state"):
        if entry.value and entry.value["type"] == "customer.erased.v1":
            continue
        case_id = (entry.key or b"").decode()
        before = last.get(case_id)
        if entry.value and before and entry.value["case_seq"] < before["case_seq"]:
            yield Finding(Rule.STATE, f"{case_id}: goes back at {entry.where}")
        last[case_id] = entry.value
    cases = {
        case_id: [entry for entry in entries if entry.value["case_seq"]]
        for case_id, entries in by_case(history).items()
    }
    for case_id in sorted(last.keys() | {case_id for case_id, seen in cases.items() if seen}):
        entries, snapshot = cases.get(case_id, []), last.get(case_id)
        if snapshot is None and entries and entries[-1].value["case"]["state"] in deadlines.ENDED:
            continue  # it is forgotten some time after it is over
        if not entries or snapshot is None:
            what = "a snapshot without events" if snapshot else "events without a snapshot"
            yield Finding(Rule.STATE, f"{case_id}: {what}")
        elif entries[-1].value["case"] != snapshot:
            yield Finding(
                Rule.STATE,
                f"{case_id}: event {entries[-1].value['case_seq']}, "
                f"snapshot {snapshot['case_seq']}",
            )


def copies(history: History) -> Iterator[Finding]:
    """``escalations`` and ``followups`` carry events of ``case.events``, each once, same content.

    What the notifier says in ``followups`` (``reply.due``) is no copy.
    """
    events = {entry.value["event_id"]: entry.value for entry in history.of("case.events")}
    for topic, prefixes in (
        ("escalations", ("escalation.", "clock.", "notification.", "case.reminded")),
        ("followups", ("followup.", "nudge.")),
    ):
        told = [one for one in history.of(topic) if "reply_id" not in one.value]
        seen = Counter(entry.value["event_id"] for entry in told)
        for event_id, count in seen.items():
            if count > 1:
                yield Finding(Rule.COPY, f"{topic}: {event_id} {count} times")
        for entry in told:
            if events.get(entry.value["event_id"]) != entry.value:
                yield Finding(Rule.COPY, f"{topic}: {entry.where} is not in case.events")
        for event_id, value in events.items():
            if value["kind"].startswith(prefixes) and event_id not in seen:
                yield Finding(Rule.COPY, f"{topic}: {value['kind']} {event_id} is missing")


# --------------------------------------------------------------------------- order


def first_places(entries: Iterable[Entry], id_of: Callable[[Entry], str]) -> dict[str, int]:
    """Return the rank of each id's first record: a later double changes nothing."""
    places: dict[str, int] = {}
    for rank, entry in enumerate(entries):
        places.setdefault(id_of(entry), rank)
    return places


def senders_in_order(promised: Sequence[Promise], history: History) -> Iterator[Finding]:
    """What a sender sent one after the other stands in that order in ``feedback.received``."""
    places = first_places(history.of("feedback.received"), _id)
    by_sender: dict[str, list[Promise]] = defaultdict(list)
    for promise in promised:
        if promise.feedback_id in places:
            by_sender[promise.sender].append(promise)
    for sender, mine in by_sender.items():
        mine.sort(key=lambda promise: promise.number)
        ranks = [places[promise.feedback_id] for promise in mine]
        if ranks != sorted(ranks):
            yield Finding(Rule.ORDER, f"feedback.received: items of {sender}")


def stages_in_order(history: History) -> Iterator[Finding]:
    """Each stage keeps the order of every customer (record key) that it was given."""
    received = history.of("feedback.received")
    key_of = {_id(entry): entry.key for entry in received}
    order = _per_key(first_places(received, _id), key_of)
    stages = {
        "feedback.classified": first_places(
            history.of("feedback.classified"),
            lambda entry: str(entry.value["feedback"]["feedback_id"]),
        ),
        "feedback.outcomes": first_places(history.of("feedback.outcomes"), _id),
    }
    for topic, places in stages.items():
        for key, given in _per_key(places, key_of).items():
            expected = [one for one in order.get(key, []) if one in places]
            if given != expected:
                yield Finding(Rule.ORDER, f"{topic}: customer {key!r}")


def _per_key(
    places: Mapping[str, int], key_of: Mapping[str, bytes | None]
) -> dict[bytes | None, list[str]]:
    grouped: dict[bytes | None, list[str]] = defaultdict(list)
    for one in sorted(places, key=places.__getitem__):
        grouped[key_of.get(one)].append(one)
    return grouped


def same_for_reader(during: History, after: History) -> Iterator[Finding]:
    """A reader during the run saw, partition by partition, a prefix of what is there afterwards."""
    for topic, entries in during.topics.items():
        seen, there = _by_partition(entries), _by_partition(after.of(topic))
        for number, records in seen.items():
            expected = there.get(number, [])[: len(records)]
            if records != expected:
                at = next(
                    (
                        i
                        for i, pair in enumerate(zip(records, expected, strict=False))
                        if pair[0] != pair[1]
                    ),
                    len(expected),
                )
                yield Finding(Rule.READER, f"{topic}/{number}: differs from record {at} on")


def _by_partition(entries: Iterable[Entry]) -> dict[int, list[tuple[int, Any]]]:
    grouped: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    for entry in entries:
        grouped[entry.partition].append((entry.offset, entry.value))
    return grouped


# --------------------------------------------------------------------------- figures


def figures(promised: Sequence[Promise], history: History) -> dict[str, int]:
    """Return counts worth reporting; doubles before the escalation are allowed, and dropped there."""
    received = [_id(entry) for entry in history.of("feedback.received")]
    classified = [
        entry.value["feedback"]["feedback_id"] for entry in history.of("feedback.classified")
    ]
    fired = [entry for entry in history.of("case.events") if deadlines.is_firing(entry.value)]
    return {
        "accepted": len({promise.feedback_id for promise in promised}),
        "feedback.received": len(received),
        "doubles in feedback.received": len(received) - len(set(received)),
        "feedback.classified": len(classified),
        "doubles in feedback.classified": len(classified) - len(set(classified)),
        "outcomes": len(history.of("feedback.outcomes")),
        "dead letters": len(history.of("dead-letters")),
        "cases": len(by_case(history)),
        "case events": len(history.of("case.events")),
        "timers fired": len(fired),
    }
