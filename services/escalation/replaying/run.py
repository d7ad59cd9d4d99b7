"""Replays partitions of a log on Kafka: folds, decides again, compares with ``case.state`` and view."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from confluent_kafka import Message

from services.escalation.domain.policy import Policy
from services.escalation.inbox import key_of
from services.escalation.replaying.fold import Fold, Judge, Kept
from services.escalation.replaying.redecide import Found, Named, Redecider, decisions, names_of
from services.escalation.replaying.report import Logged, Report, Skipped
from services.escalation.view.model import View, place_of
from shared import codec, topics
from shared.errors import Poison, Transient
from shared.events import Case, CaseEvent, EraseCustomer, FeedbackClassified
from shared.ids import record_key_of_case
from shared.streams.reader import Cluster
from shared.streams.records import Partition
from shared.streams.spans import Client, Erasures, Moved, Span, first_offsets, place, position
from shared.streams.spans import span_of as span

LOOKS: Final = 5
"""How often a case is looked at that differs: a worker may be in the middle of it."""
PAUSE_S: Final = 0.3
PAGE: Final = 500

_case = msgspec.json.Decoder(Case)


@dataclass(frozen=True)
class Installation:
    """Where everything is; ``policies`` by version, ``now`` in ms."""

    client: Client
    names: topics.Names
    view: View
    policies: Mapping[str, Policy]
    now: int


@dataclass(frozen=True)
class Wanted:
    """What to replay: of one customer only, or decisions from a time (ms) on only."""

    owner: str | None = None
    since_ms: int = 0


@dataclass
class _State:
    """``case.state`` of a partition as far as it was read."""

    at: Span
    cases: dict[str, Case] = field(default_factory=dict)
    erasures: Erasures = field(default_factory=Erasures)
    erased: dict[str, int] = field(default_factory=dict)


class Replay:
    """The replay of one partition.

    Raises (all methods):
        Transient: Kafka or the view is away, or a record cannot be read.
        Misconfigured: a topic is missing.
    """

    def __init__(self, where: Installation, number: int, wanted: Wanted, report: Report) -> None:
        self._where = where
        self._number = number
        self._wanted = wanted
        self._report = report
        self._fold = Fold()
        self._decoder = codec.Decoder[CaseEvent](topics.CASE_EVENTS.carries)
        self._events = self._span(topics.CASE_EVENTS)
        self._state = _State(self._span(topics.CASE_STATE))

    @property
    def size(self) -> int:
        """Return how many offsets :meth:`run` reads, about."""
        inputs = (self._span(topics.FEEDBACK_CLASSIFIED), self._span(topics.CASE_COMMANDS))
        return 2 * self._events.size + self._state.at.size + sum(one.size for one in inputs)

    def run(self, moved: Moved) -> None:
        """Replay; the report has the result."""
        needed: set[Named] = set()
        for one in self._logged(self._events, moved):
            self._report.events += 1
            self._fold.take(one, self._report)
            needed.update(names_of(one.event))
        self._read_state(moved)
        for case_id in self._state.cases.keys() - self._fold.last.keys():
            self._fold.partial[record_key_of_case(case_id)] = 1 << 62
        inputs = dict(self._inputs(needed, moved))
        redecider = Redecider(self._where.policies, inputs, self._report, self._why_not)
        for decision in decisions(self._logged(self._events, moved)):
            redecider.take(decision)
        self._compare()

    def _why_not(self, one: Logged) -> Skipped | None:
        event, owner = one.event, record_key_of_case(one.event.case_id)
        born = event.recorded_at if event.case is None else event.case.opened_at
        if event.case_id not in self._state.cases and self._state.erasures.cover(owner, born):
            return Skipped.ERASED
        if one.at <= self._fold.partial.get(owner, -1):
            return Skipped.HISTORY
        return Skipped.BEFORE if event.recorded_at < self._wanted.since_ms else None

    def _compare(self) -> None:
        """Compare all cases; those that differ once more, with what was written meanwhile."""
        first = first_offsets(self._where.client, self._events_topic)
        whole = all(first.get(at, 0) == 0 for at in self._events.starts)
        judge = Judge(self._where.policies, self._where.now, whole)
        view = self._view()
        suspects: Iterable[str] = {*self._fold.last, *self._state.cases, *(view or {})}
        self._report.cases += len(self._fold.last)
        if view is not None:
            self._report.seen(len(view))
        for look in range(LOOKS):
            kept = Kept(self._state.cases, view, self._state.erased)
            found = {
                case_id: judge.differences(case_id, self._fold.last.get(case_id), kept)
                for case_id in suspects
            }
            suspects = [case_id for case_id, differing in found.items() if differing]
            if not suspects or look == LOOKS - 1:
                break
            time.sleep(PAUSE_S)
            self._catch_up()
            view = self._view()
        for case_id in sorted(suspects):
            for one in found[case_id]:
                self._report.add(one)

    def _catch_up(self) -> None:
        """Read what was written since the last look."""
        self._events = _rest(self._events)
        for one in self._logged(self._events, _quiet):
            self._report.events += 1
            self._fold.take(one, self._report)
        self._state.at = _rest(self._state.at)
        self._read_state(_quiet)

    def _read_state(self, moved: Moved) -> None:
        state = self._state
        for batch in state.at.read(moved):
            for message in batch:
                raw, key = message.value(), (message.key() or b"").decode()
                mark = state.erasures.learn(raw)
                if mark is not None:
                    state.erased[mark.record_key] = mark.erased_at
                elif raw is None:
                    state.cases.pop(key, None)
                elif self._is_wanted(_owner_in_state(key)):
                    state.cases[key] = _decoded(message, raw)

    def _logged(self, events: Span, moved: Moved) -> Iterator[Logged]:
        owner = None if self._wanted.owner is None else self._wanted.owner.encode()
        for batch in events.read(moved):
            for message in batch:
                raw = message.value() or b""
                if owner is not None and message.key() != owner:
                    continue
                try:
                    event = self._decoder.decode(raw)
                except Poison as poison:
                    raise Transient(f"{_place_of(message)}: {poison}") from poison
                yield Logged(event, raw, _place_of(message), position(message))

    def _inputs(self, needed: set[Named], moved: Moved) -> Iterator[tuple[Named, Found]]:
        """Yield the inputs that events name; of one that came twice, the first."""
        seen = set[Named]()
        for topic in (topics.FEEDBACK_CLASSIFIED, topics.CASE_COMMANDS):
            decoder = codec.Decoder[Found](topic.carries)
            for batch in self._span(topic).read(moved):
                for message in batch:
                    try:
                        found = decoder.decode(message.value())
                        name = _name_of(found)
                    except (Poison, ValueError):
                        continue  # it is among the dead letters, and decided nothing
                    if name in needed and name not in seen:
                        seen.add(name)
                        yield name, found

    def _view(self) -> dict[str, Case] | None:
        """Return the cases of the view; None when there is none."""
        view, number = self._where.view, self._number
        if view.checkpoint(number) is None:
            return None
        if (owner := self._wanted.owner) is not None:
            return dict(view.fetch(number, [], [owner]).cases[owner])
        found: dict[str, Case] = {}
        behind = None
        while page := view.page(number, PAGE, behind=behind):
            found |= {case.case_id: case for case in page}
            behind = place_of(page[-1])
        return found

    @property
    def _events_topic(self) -> str:
        return self._where.names.of(topics.CASE_EVENTS)

    def _span(self, topic: topics.Topic) -> Span:
        return span(self._where.client, self._where.names.of(topic), only=self._number)

    def _is_wanted(self, owner: str) -> bool:
        return self._wanted.owner in (None, owner)


def replay(
    where: Installation,
    numbers: Iterable[int],
    wanted: Wanted,
    started: Callable[[int], Moved],
) -> Report:
    """Replay partitions one after the other.

    Args:
        where: the installation.
        numbers: of the partitions.
        wanted: what of them.
        started: is told how much there is to read, and returns whom to tell of each step.
    """
    report = Report()
    for number in numbers:
        one = Replay(where, number, wanted, report)
        one.run(started(one.size))
    return report


def _name_of(found: Found) -> Named:
    if isinstance(found, FeedbackClassified):
        return found.feedback.feedback_id, ""
    if isinstance(found, EraseCustomer):
        return found.command_id, found.record_key
    key_of(found)  # else it is no case id, and it was never carried out
    return found.command_id, found.case_id


def _rest(before: Span) -> Span:
    """Return what was written since."""
    ends = Cluster(before.client).ends(list(before.ends))
    return Span(before.client, dict(before.ends), ends)


def _decoded(message: Message, raw: bytes) -> Case:
    try:
        return _case.decode(raw)
    except msgspec.DecodeError as error:
        raise Transient(f"{_place_of(message)}: {error}") from error


def _owner_in_state(key: str) -> str:
    return key.rpartition(":")[0]


def _place_of(message: Message) -> str:
    at: Partition = place(message)
    return f"{at.topic}[{at.number}] at {position(message)}"


def _quiet(_: int) -> None:
    return None
