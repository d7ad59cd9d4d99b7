"""A view that is written while the next transaction runs: whoever reads a partition waits for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from services.escalation.view.model import Changes, Checkpoint, Found, Place, Standing, View
from shared.errors import Transient
from shared.events import Case, CaseState, Severity

log = structlog.get_logger(__name__)


class WriteBehind:
    """Puts a thread of its own between a worker and the writes of its view.

    Nothing is gained by waiting for them: what is committed is in Kafka, and a write that failed or was
    refused is noticed by the next read, which finds another checkpoint than it expects. There is at
    most one write under way for each partition, and all are made in order. The worker's own thread
    makes all the calls.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._writer = ThreadPoolExecutor(1, "view-writer")
        self._pending: dict[int, Future[None]] = {}

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        """Have ``changes`` written; True, for whether they were is for the next read to notice."""
        view = self._of(partition)
        write = self._writer.submit(_write, view, partition, expected, new, changes)
        self._pending[partition] = write
        return True

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """Return the checkpoint, or None when there is no (usable) view."""
        return self._of(partition).checkpoint(partition)

    def fetch(self, partition: int, feedback_ids: Sequence[str], keys: Sequence[str]) -> Found:
        """Return which of ``feedback_ids`` have their outcome and the cases of the record keys."""
        return self._of(partition).fetch(partition, feedback_ids, keys)

    def due(self, partition: int, checkpoint: Checkpoint, now: int, limit: int) -> Sequence[str]:
        """Return the cases with a deadline at or before ``now``, earliest first."""
        return self._of(partition).due(partition, checkpoint, now, limit)

    def standing(self, partition: int, checkpoint: Checkpoint) -> Standing:
        """Return the counts for the gauges."""
        return self._of(partition).standing(partition, checkpoint)

    def load(self, partition: int, checkpoint: Checkpoint) -> Mapping[tuple[str, str], int]:
        """Return how many live cases each assignee has, by (assignee, severity)."""
        return self._of(partition).load(partition, checkpoint)

    def unattended(
        self, partition: int, checkpoint: Checkpoint, before_ms: int, limit: int
    ) -> Sequence[str]:
        """Return live cases without a deadline, or whose deadline was before ``before_ms``."""
        return self._of(partition).unattended(partition, checkpoint, before_ms, limit)

    def by_id(self, partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are."""
        return self._of(partition).by_id(partition, case_ids)

    def page(
        self,
        partition: int,
        limit: int,
        *,
        states: Collection[CaseState] = (),
        severities: Collection[Severity] = (),
        behind: Place | None = None,
    ) -> list[Case]:
        """Return up to ``limit`` cases, the latest opened first, from ``behind`` on."""
        view = self._of(partition)
        return view.page(partition, limit, states=states, severities=severities, behind=behind)

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind."""
        self._of(partition).forget(partition, epoch)

    def _of(self, partition: int) -> View:
        """Return the view, as soon as the last write of a partition has ended."""
        write = self._pending.pop(partition, None)
        if write is not None:
            write.result()
        return self._view


def _write(
    view: View, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
) -> None:
    try:
        if not view.apply(partition, expected, new, changes):
            log.warning("view not written: another checkpoint was found", partition=partition)
    except Transient as error:
        log.warning("view not written; it will be brought up", error=str(error))
