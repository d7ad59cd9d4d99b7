"""What two cases are together: pure unions of their lists."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from services.escalation.domain.replies import MAX_REPLIES
from shared.events import Case, FeedbackRef, Reply

T = TypeVar("T")
MAX_ALIASES: Final = 64


def united(one: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
    """Return what is in either, each once, in order."""
    return tuple(dict.fromkeys((*one, *other)))


def in_order(refs: tuple[FeedbackRef, ...]) -> tuple[FeedbackRef, ...]:
    """Return the references by age: when there are too many, the first one and the latest."""
    by_age = sorted(refs, key=lambda ref: (ref.received_at, ref.feedback_id))
    return (*by_age[:1], *by_age[1:][-(Case.MAX_REFS - 1) :])


def replies(case: Case, loser: Case) -> tuple[Reply, ...]:
    """Return what we said in both, the latest of it."""
    by_age = sorted((*case.replies, *loser.replies), key=lambda said: said.at)
    return tuple(by_age[-MAX_REPLIES:])


def aliases(case: Case, loser: Case) -> tuple[str, ...]:
    """Return the cases that are one with this one from now on."""
    aliases = dict.fromkeys((*case.aliases, *loser.aliases, loser.case_id))
    aliases.pop(case.case_id, None)  # what was merged into the other one before, and taken out
    return tuple(aliases)[-MAX_ALIASES:]


def threads(case: Case, loser: Case) -> tuple[str, ...]:
    """Return the threads of the merged cases."""
    own = {case.thread_id} if case.thread_id else set()
    others = dict.fromkeys((*case.threads, *loser.threads, loser.thread_id or ""))
    return tuple(one for one in others if one and one not in own)[-MAX_ALIASES:]


def came_with(ref: FeedbackRef, loser: Case) -> FeedbackRef:
    """Return a reference that says with which case of another customer it came."""
    return ref if ref.of else msgspec.structs.replace(ref, of=loser.case_id)
