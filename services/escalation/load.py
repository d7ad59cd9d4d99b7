"""How many live cases people have, in all partitions: what an assignment looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from services.escalation.ledger import Ledger
from services.escalation.view.model import Checkpoint, View


class Load:
    """The load during one transaction: the view is read once, and only if somebody asks.

    Args:
        checkpoints: of the owned partitions.
        partitions: the number of all of them.
    """

    def __init__(
        self, view: View, checkpoints: Mapping[int, Checkpoint | None], partitions: int
    ) -> None:
        self._view = view
        self._checkpoints = checkpoints
        self._partitions = partitions
        self._read: Counter[str] | None = None

    def now(self, ledgers: Iterable[Ledger]) -> dict[str, int]:
        """Return the live cases of people by ``name/severity``.

        What the decisions before gave somebody in the same transaction (``ledgers``) counts as well.

        Raises:
            Transient: the view is away.
        """
        if self._read is None:
            self._read = self._of_view()
        load = self._read.copy()
        for ledger in ledgers:
            load.update(ledger.given)
        return {one: count for one, count in load.items() if count}

    def _of_view(self) -> Counter[str]:
        load = Counter[str]()
        for number in range(self._partitions):
            checkpoint = self._checkpoints.get(number) or self._view.checkpoint(number)
            if checkpoint is not None:
                for (name, severity), count in self._view.load(number, checkpoint).items():
                    load[f"{name}/{severity}"] += count
        return load
