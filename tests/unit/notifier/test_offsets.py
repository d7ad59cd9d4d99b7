"""What may be committed, against a reference that remembers everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.offsets import Mark, Offsets


def test_the_oldest_open_record_holds_back_the_commit() -> None:
    offsets = Offsets[str]()
    offsets.assign(1)
    offsets.taken("p", 10, [3, 5, 9])
    assert offsets.next_offsets() == {"p": 3}
    offsets.ended(Mark("p", 1, 5))
    assert offsets.next_offsets() == {"p": 3}
    offsets.ended(Mark("p", 1, 3))
    assert offsets.next_offsets() == {"p": 9}
    offsets.ended(Mark("p", 1, 9))
    assert offsets.next_offsets() == {"p": 10}


def test_records_of_others_may_be_committed_at_once() -> None:
    offsets = Offsets[str]()
    offsets.assign(1)
    offsets.taken("p", 500, [])
    assert offsets.next_offsets() == {"p": 500}


def test_another_generation_is_void() -> None:
    offsets = Offsets[str]()
    offsets.assign(1)
    offsets.taken("p", 2, [0, 1])
    offsets.assign(2)
    assert offsets.next_offsets() == {}
    offsets.taken("p", 2, [0, 1])
    offsets.ended(Mark("p", 1, 0))
    assert offsets.next_offsets() == {"p": 0}


def test_one_that_takes_for_ever_does_not_make_it_grow() -> None:
    offsets = Offsets[str]()
    offsets.assign(1)
    offsets.taken("p", 1, [0])
    for offset in range(1, 20_000):
        offsets.taken("p", offset + 1, [offset])
        offsets.ended(Mark("p", 1, offset))
    assert offsets.next_offsets() == {"p": 0}
    kept = offsets._open["p"]
    assert len(kept.offsets) == 1
    assert len(kept._heap) < 200
    offsets.ended(Mark("p", 1, 0))
    assert offsets.next_offsets() == {"p": 20_000}


class Reference:
    """Remembers what was read and what ended."""

    def __init__(self) -> None:
        self.open: dict[str, list[int]] = {}
        self.read: dict[str, int] = {}

    def low(self) -> dict[str, int]:
        return {at: min(self.open[at], default=end) for at, end in self.read.items()}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("ab"), st.lists(st.booleans(), max_size=6)),
            st.integers(0, 50),
        ),
        max_size=60,
    )
)
def test_it_says_what_the_reference_says(steps: list[tuple[str, list[bool]] | int]) -> None:
    offsets, reference = Offsets[str](), Reference()
    offsets.assign(7)
    for step in steps:
        if isinstance(step, tuple):
            where, own = step
            start = reference.read.get(where, 0)
            mine = [start + number for number, yes in enumerate(own) if yes]
            reference.read[where] = start + len(own)
            reference.open.setdefault(where, []).extend(mine)
            offsets.taken(where, start + len(own), mine)
        else:
            waiting = [(at, one) for at, left in reference.open.items() for one in left]
            if waiting:
                at, offset = waiting[step % len(waiting)]
                reference.open[at].remove(offset)
                offsets.ended(Mark(at, 7, offset))
        assert offsets.next_offsets() == reference.low()
