"""In against out: what was acknowledged, and what an independent reader found in the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from tests.data.doors.ledger import Ledger
from tests.data.doors.outlet import Event, Letter

SHORTENED = 0.5


class Found(msgspec.Struct):
    """All events by source and native id: how many there are, and how long their text is."""

    times: dict[str, Counter[str]] = {}
    lengths: dict[str, dict[str, int]] = {}
    origins: dict[str, Counter[str]] = {}
    letters: Counter[str] = msgspec.field(default_factory=Counter)

    def of(self, source: str) -> int:
        """Return how many events a source has."""
        return sum(self.times.get(source, Counter()).values())


def gathered(events: Iterable[bytes], letters: Iterable[bytes]) -> Found:
    """Return the counts of both topics."""
    times: dict[str, Counter[str]] = defaultdict(Counter)
    lengths: dict[str, dict[str, int]] = defaultdict(dict)
    origins: dict[str, Counter[str]] = defaultdict(Counter)
    for raw in events:
        event = msgspec.json.decode(raw, type=Event)
        times[event.source][event.native_id] += 1
        lengths[event.source][event.native_id] = len(event.text)
        origins[event.source][event.origin] += 1
    reasons = Counter(msgspec.json.decode(raw, type=Letter).reason for raw in letters)
    return Found(dict(times), dict(lengths), dict(origins), reasons)


class Line(msgspec.Struct, frozen=True):
    """One source: counts of items unless said otherwise, times in ms.

    ``missing`` were acknowledged and are not in the log, ``doubled`` are there more than once,
    ``strange`` are there and were never acknowledged. ``shortened`` have lost more than half of their
    text on the way (quotes and signatures of mail, what was redacted).
    """

    file: str
    door: str
    rows: int
    requests: int
    retries: int
    refused: dict[str, int]
    acknowledged: int
    events: int
    missing: int
    doubled: int
    strange: int
    rejected: int
    shortened: int
    resent: int
    p50_ms: float
    p99_ms: float

    @property
    def clean(self) -> bool:
        """Whether all that went in came out, once."""
        whole = self.rows == self.acknowledged + sum(self.refused.values())
        return whole and not (self.missing or self.doubled or self.strange)


def line(file: str, door: str, ledger: Ledger, found: Found) -> Line:
    """Return what became of all that went through one door."""
    times: Mapping[str, int] = found.times.get(ledger.source, {})
    lengths = found.lengths.get(ledger.source, {})
    sent = ledger.acknowledged
    return Line(
        file=file,
        door=door,
        rows=ledger.rows,
        requests=ledger.requests,
        retries=ledger.retries,
        refused=dict(ledger.refused),
        acknowledged=len(sent),
        events=sum(times.values()),
        missing=sum(native not in times for native in sent),
        doubled=sum(number > 1 for number in times.values()),
        strange=sum(native not in sent for native in times),
        rejected=ledger.answers["rejected"],
        shortened=sum(
            lengths[native] < SHORTENED * length
            for native, length in sent.items()
            if native in lengths
        ),
        resent=ledger.resent,
        p50_ms=round(1000 * ledger.percentile(0.50), 1),
        p99_ms=round(1000 * ledger.percentile(0.99), 1),
    )
