"""What was sent through one door and what the door said to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Counts of one source. ``acknowledged`` has, per native id, how long the text was.

    ``answers`` counts what the door said about single items, where it does, and ``repeated`` what it
    said about those that were sent ``again``; ``refused`` are items of requests that were answered
    with something else than 2xx for good, by status; ``seconds`` is what requests took.
    """

    source: str
    rows: int = 0
    requests: int = 0
    retries: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    resent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settled(self, items: dict[str, int], seconds: float, retries: int, *, again: bool) -> None:
        """Note a request that was acknowledged; ``again``: it had been before."""
        with self.lock:
            self.retries += retries
            if again:
                self.resent += len(items)
                return
            self.requests += 1
            self.acknowledged |= items
            self.seconds.append(seconds)

    def turned_away(self, reason: str, items: int) -> None:
        """Note that so many items were refused for good."""
        with self.lock:
            self.requests += 1
            self.refused[reason] += items

    def said(self, counts: Mapping[str, int], *, again: bool) -> None:
        """Note what the door said about the items of a request."""
        with self.lock:
            (self.repeated if again else self.answers).update(counts)

    def percentile(self, share: float) -> float:
        """Return how long a request took, in s; 0 if there was none."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
