"""The owner of a partition as the worker is one: a log, transactions that crash, a compacted store."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import msgspec

from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    EraseIn,
    FeedbackIn,
    Input,
    TimerIn,
    decide,
)
from services.escalation.domain.policy import Policy
from shared import codec
from shared.events import Case, CaseEvent
from shared.ids import record_key_of_case

LATELY = 20
"""Inputs within which a case surely remembers a command."""


@dataclass(frozen=True)
class Record:
    """An input as it was decided: when, under which policy."""

    given: Input
    now: int
    policy: Policy

    @property
    def key(self) -> str:
        """Return the record key of its customer."""
        match self.given:
            case FeedbackIn(item):
                return item.feedback.record_key
            case CommandIn(command):
                return record_key_of_case(command.case_id)
            case TimerIn(case_id):
                return record_key_of_case(case_id)
            case EraseIn(command):
                return command.record_key


class Store:
    """What is committed: snapshots as the compacted topic holds them, outcomes, erasures."""

    def __init__(self) -> None:
        self.snapshots: dict[str, bytes] = {}
        self.known: set[str] = set()
        self.erased: dict[str, int] = {}

    def copy(self) -> Store:
        """Return what a transaction works on; it is dropped in a crash."""
        other = Store()
        other.snapshots, other.known = dict(self.snapshots), set(self.known)
        other.erased = dict(self.erased)
        return other

    def cases_of(self, key: str, rearranged: Random | None = None) -> dict[str, Case]:
        """Return the cases of a customer, read anew; in another order with ``rearranged``."""
        found = [name for name in self.snapshots if record_key_of_case(name) == key]
        if rearranged is not None:
            rearranged.shuffle(found)
        return {name: msgspec.json.decode(self.snapshots[name], type=Case) for name in found}

    def is_duplicate(self, given: Input) -> bool:
        """Tell what the handler drops before a decision: a feedback that has its outcome."""
        return isinstance(given, FeedbackIn) and given.classified.feedback.feedback_id in self.known

    def take_over(self, key: str, decision: Decision) -> None:
        """Write what was decided."""
        self.snapshots |= {case.case_id: codec.encode(case) for case in decision.cases}
        for case_id in decision.removed:
            del self.snapshots[case_id]
        if decision.outcome is not None:
            self.known.add(decision.outcome.feedback_id)
        if decision.erased is not None:
            self.erased[key] = decision.erased.erased_at


class Owner:
    """Decides on what comes, in order, each input once; ``sent`` waits for its turn in the log."""

    def __init__(self, policy: Policy, now: int) -> None:
        self.policy = policy
        self.now = now
        self.cases: dict[str, Case] = {}
        self.log: list[CaseEvent] = []
        self.journal: list[tuple[Record, bytes]] = []
        self.sent: deque[CommandIn] = deque()
        self.store = Store()

    def take(self, given: Input) -> Decision:
        """Decide, and commit at once."""
        record = Record(given, self.now, self.policy)
        if self.store.is_duplicate(given):
            return Decision.NOTHING
        decision = decide(self.cases_of(record.key), given, self.now, self.policy)
        self.journal.append((record, written(decision)))
        self.store.take_over(record.key, decision)
        self.cases |= {case.case_id: case for case in decision.cases}
        for case_id in decision.removed:
            del self.cases[case_id]
        self.log += decision.events
        self.sent.extend(CommandIn(command) for command in decision.sent)
        return decision

    def cases_of(self, key: str) -> Mapping[str, Case]:
        """Return the cases of a customer."""
        return {name: case for name, case in self.cases.items() if case.record_key == key}

    def due(self) -> list[str]:
        """Return the cases of which something is due now."""
        return [
            name
            for name, case in self.cases.items()
            if case.next_due_at is not None and case.next_due_at <= self.now
        ]


def written(decision: Decision) -> bytes:
    """Return everything that a decision writes."""
    parts = [*decision.cases, *decision.events, *decision.sent]
    parts += [one for one in (decision.outcome, decision.erased) if one is not None]
    return b"\n".join([*(codec.encode(part) for part in parts), *map(str.encode, decision.removed)])


def replay(journal: list[tuple[Record, bytes]], chance: Random) -> Store:
    """Run the log through a worker that crashes, and that gets records more than once.

    A transaction takes some records. It may crash at its end: all that it decided, at another time
    perhaps, is gone, and its records come again. Between the records duplicates of earlier ones come.

    Returns:
        What is committed in the end; every committed decision was compared with the first pass.
    """
    store, done = Store(), 0
    while done < len(journal):
        batch = journal[done : done + chance.randint(1, 5)]
        crashes = chance.random() < 0.4
        late = chance.choice([0, 1, 7_200_000]) if crashes else 0
        staged = store.copy()
        for at, (record, expected) in enumerate(batch, start=done):
            decision = _decide(staged, record, late, chance)
            if not crashes:
                assert written(decision) == expected
            staged.take_over(record.key, decision)
            if not late:
                again, _ = journal[chance.randint(max(0, at - LATELY), at)]
                assert_idle(staged, again, record.now, record.policy)
        if not crashes:
            store, done = staged, done + len(batch)
    return store


def assert_idle(store: Store, again: Record, now: int, policy: Policy) -> None:
    """Assert that a duplicate changes nothing: of a command, of a feedback, of an erasure."""
    if store.is_duplicate(again.given) or isinstance(again.given, TimerIn):
        return
    cases = store.cases_of(again.key)
    given = again.given
    if isinstance(given, CommandIn) and _is_foreign(given, cases):
        return
    if isinstance(given, EraseIn):
        given = EraseIn(given.command, store.erased.get(again.key))
    assert decide(cases, given, now, policy) is Decision.NOTHING


def _decide(store: Store, record: Record, late: int, chance: Random) -> Decision:
    cases = store.cases_of(record.key, chance)
    return decide(cases, record.given, record.now + late, record.policy)


def _is_foreign(given: CommandIn, cases: Mapping[str, Case]) -> bool:
    """Tell whether no case is there to remember a command: it was refused, or the case is gone."""
    found = cases.get(given.command.case_id)
    return found is None or found.tenant != given.command.tenant
