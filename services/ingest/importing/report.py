"""What is in a file, told before anything is written."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

import msgspec

from services.ingest.channels.item import Item
from services.ingest.importing.convert import Entry, Step
from services.ingest.prepare import Prepared

FIRST_LINES = 5
UNKNOWN = "unknown"


class Fault(msgspec.Struct):
    """How often a reason occurred, and where first."""

    count: int = 0
    lines: list[int] = []
    detail: str = ""


class Report(msgspec.Struct):
    """What an import of the file would do; ``duplicates`` are those within the file."""

    file: str
    format: str
    steps: int = 0
    items: int = 0
    duplicates: int = 0
    ignored: int = 0
    channels: dict[str, int] = {}
    languages: dict[str, int] = {}
    unfit: dict[str, Fault] = {}


class Reporter:
    """Counts what goes by; ``prepare`` is intake's own, so it is told what would really happen."""

    def __init__(self, report: Report, prepare: Callable[[Entry], Prepared]) -> None:
        self.report = report
        self._prepare = prepare
        self._seen: set[bytes] = set()
        self._channels: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def step(self, step: Step) -> None:
        """Count one step."""
        self.report.steps += 1
        self.report.ignored += step.ignored
        for entry in step.entries:
            self._entry(entry, step.line)

    def done(self) -> Report:
        """Return the report."""
        self.report.channels = dict(self._channels.most_common())
        self.report.languages = dict(self._languages.most_common())
        return self.report

    def _entry(self, entry: Entry, line: int) -> None:
        prepared = self._prepare(entry)
        if prepared.rejected is not None:
            fault = self.report.unfit.setdefault(prepared.rejected.reason, Fault())
            fault.count += 1
            fault.detail = fault.detail or prepared.rejected.detail
            if len(fault.lines) < FIRST_LINES:
                fault.lines.append(line)
            return
        self.report.items += 1
        # Eight bytes of it: a set of millions stays small, and one more or less is no harm here.
        mark = hashlib.blake2b(prepared.record.id.encode(), digest_size=8).digest()
        if mark in self._seen:
            self.report.duplicates += 1
        self._seen.add(mark)
        if isinstance(entry, Item):
            self._channels[entry.channel] += 1
        language = prepared.event.language if prepared.event is not None else None
        self._languages[language or UNKNOWN] += 1
