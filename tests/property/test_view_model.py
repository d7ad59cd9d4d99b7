"""Any sequence of writes, losses and rebuilds leaves every view as a slow, obvious model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.escalation.view.model import Changes, Checkpoint, View, place_of
from shared import ids
from shared.events import Case, CaseState, Severity
from tests.contract.views import KINDS, NOW, Store, Stores, case, counts, in_a_while, running_stores

CUSTOMERS = ["c1", "c2", "c3"]
FEEDBACK = ["f1", "f2", "f3"]
KEYS = [ids.record_key("acme", customer) for customer in CUSTOMERS]
TIMES = [NOW - 1, NOW, NOW + 1, NOW + 2]
PARTITIONS = [0, 1]


@dataclass
class Model:
    """One partition, the obvious way: everything is looked at every time."""

    checkpoint: Checkpoint | None = None
    cases: dict[str, Case] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    erased: dict[str, int] = field(default_factory=dict)
    epochs: int = 1

    def next(self, new: Checkpoint, *, rebuilt: bool) -> Checkpoint:
        """Return ``new`` in the present epoch or, for a rebuild, in one that was never used."""
        self.epochs += rebuilt
        return msgspec.structs.replace(new, epoch=self.epochs)

    def apply(self, expected: Checkpoint | None, new: Checkpoint, changes: Changes) -> bool:
        if expected != self.checkpoint:
            return False
        if self.checkpoint is None or self.checkpoint.epoch != new.epoch:
            self.cases, self.decided, self.erased = {}, set(), {}
        self.checkpoint = new
        self.cases |= {held.case_id: held for held in changes.cases}
        for case_id in changes.removed:
            self.cases.pop(case_id, None)
        self.decided |= set(changes.outcomes)
        self.erased |= changes.erased
        return True

    def due(self, now: int, limit: int) -> list[str]:
        waiting = [
            (held.next_due_at, held.case_id)
            for held in self.cases.values()
            if held.next_due_at is not None and held.next_due_at <= now
        ]
        return [case_id for _, case_id in sorted(waiting)][:limit]

    def agrees(self, view: View, number: int) -> None:
        """Compare every answer that a view can give."""
        asked = [*FEEDBACK, "nobody"]
        found = view.fetch(number, asked, KEYS)
        assert view.checkpoint(number) == found.checkpoint == self.checkpoint
        assert found.decided == self.decided
        assert found.cases == {
            key: {cid: held for cid, held in self.cases.items() if held.record_key == key}
            for key in KEYS
        }
        assert found.erased == self.erased
        self.agree_on_lists(view, number)
        if self.checkpoint is None:
            return
        for now in TIMES:
            for limit in (1, 99):
                assert list(view.due(number, self.checkpoint, now, limit)) == self.due(now, limit)
        standing = view.standing(number, self.checkpoint)
        live = [held for held in self.cases.values() if held.state not in Case.ENDED]
        expected: dict[tuple[str, str], int] = {}
        oldest: dict[str, int] = {}
        for held in live:
            pair = (str(held.severity), str(held.state))
            expected[pair] = expected.get(pair, 0) + 1
            if held.state is CaseState.OPEN:
                oldest[pair[0]] = min(held.opened_at, oldest.get(pair[0], held.opened_at))
        assert counts(standing) == expected
        assert dict(standing.oldest_unacknowledged) == oldest
        assert standing.timers == len(self.due(max(TIMES), 99))
        loads = Counter((held.assignee, str(held.severity)) for held in live if held.assignee)
        assert view.load(number, self.checkpoint) == loads
        for before in (min(TIMES), NOW + 1):
            assert set(view.unattended(number, self.checkpoint, before, 99)) == {
                held.case_id
                for held in live
                if held.next_due_at is None or held.next_due_at < before
            }

    def agree_on_lists(self, view: View, number: int) -> None:
        """Compare what lists of cases show."""
        newest = sorted(self.cases.values(), key=place_of, reverse=True)
        assert view.page(number, 99) == newest
        assert view.by_id(number, sorted(self.cases)) == self.cases
        shown = [
            held
            for held in newest
            if held.state is CaseState.OPEN and held.severity is Severity.HIGH
        ]
        behind = None
        for at in range(0, len(shown) + 1, 2):
            page = view.page(
                number, 2, states={CaseState.OPEN}, severities={Severity.HIGH}, behind=behind
            )
            assert page == shown[at : at + 2]
            behind = place_of(page[-1]) if page else None


checkpoints = st.builds(
    Checkpoint,
    epoch=st.integers(1, 3),
    state_topic=st.just("s"),
    state_offset=st.integers(0, 3),
    outcomes_topic=st.just("o"),
    outcomes_offset=st.integers(0, 3),
    at=st.just(NOW),
)
cases = st.builds(
    case,
    st.sampled_from(CUSTOMERS),
    st.sampled_from(FEEDBACK),
    due=st.none() | st.sampled_from(TIMES),
    state=st.sampled_from(CaseState),
    severity=st.sampled_from([Severity.HIGH, Severity.LOW]),
    opened_at=st.sampled_from(TIMES),
    seq=st.integers(1, 9),
    assignee=st.sampled_from([None, "ada", "+ bo"]),
)
removals = st.builds(
    ids.case_id, st.just("acme"), st.sampled_from(CUSTOMERS), st.sampled_from(FEEDBACK)
)
changes_ = st.builds(
    Changes,
    cases=st.lists(cases, max_size=4),
    removed=st.lists(removals, max_size=2),
    outcomes=st.lists(st.sampled_from(FEEDBACK), max_size=2).map(
        lambda found: dict.fromkeys(found, in_a_while())
    ),
    erased=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TIMES), max_size=1),
)


@dataclass(frozen=True)
class Write:
    """``right``: with the checkpoint that is there; else with ``guess``, which may be it, too."""

    number: int
    right: bool
    rebuilt: bool
    by_other: bool
    guess: Checkpoint | None
    new: Checkpoint
    changes: Changes


@dataclass(frozen=True)
class Forget:
    """Delete an earlier epoch."""

    number: int
    back: int


numbers = st.sampled_from(PARTITIONS)
writes = st.builds(
    Write,
    numbers,
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False, False, False, True]),
    st.booleans(),
    st.none() | checkpoints,
    checkpoints,
    changes_,
)
steps = st.lists(
    writes | writes | st.builds(Forget, numbers, st.integers(1, 2)) | st.just("lose"), max_size=12
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with running_stores(tmp_path_factory.mktemp) as make:
        yield make


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=steps)
def test_a_view_is_what_the_model_says(
    stores: Stores, kind: str, script: list[Write | Forget | str]
) -> None:
    store = stores(kind)
    models = {number: Model() for number in PARTITIONS}
    for step in script:
        play(store, models, step)
        for number, model in models.items():
            model.agrees(store.view, number)
            model.agrees(store.other, number)


def play(store: Store, models: dict[int, Model], step: Write | Forget | str) -> None:
    match step:
        case Write():
            model = models[step.number]
            view = store.other if step.by_other else store.view
            expected = model.checkpoint if step.right else step.guess
            new = model.next(step.new, rebuilt=step.rebuilt)
            done = view.apply(step.number, expected, new, step.changes)
            assert done == model.apply(expected, new, step.changes)
        case Forget():
            present = models[step.number].checkpoint
            if present is not None:
                store.view.forget(step.number, present.epoch - step.back)
        case _:
            store.lose()
            models.update({number: Model() for number in models})
