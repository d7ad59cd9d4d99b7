"""Rows as a table, imported by ``tocsin import`` as an operator would do it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from shared.config import Scalar
from tests.data.doors.ledger import Ledger
from tests.data.doors.rows import Row


class _Counts(msgspec.Struct):
    accepted: int
    duplicate: int
    rejected: int


class _State(msgspec.Struct):
    counts: _Counts
    finished: bool


class Importer:
    """Runs the command on an installation with ``settings``; files lie in ``folder``, by source."""

    def __init__(self, folder: Path, settings: Mapping[str, Scalar]) -> None:
        self._folder = folder
        self._settings = [f"--set={name}={value}" for name, value in settings.items()]

    def run(self, rows: Sequence[Row], ledger: Ledger, *, again: bool = False) -> None:
        """Import ``rows`` as the source of ``ledger``."""
        began = time.monotonic()
        folder = self._folder / ledger.source
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "services.cli", *self._settings),
                *("import", str(_table(folder, rows)), "--source", ledger.source),
                *("--restart", "--state", str(folder / "state.json"), "--json"),
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
        if done.returncode not in {0, 1}:
            ledger.turned_away(f"exit {done.returncode}", len(rows))
            return
        state = msgspec.json.decode(done.stdout, type=_State)
        items = {row.id: len(row.text) for row in rows}
        ledger.settled(items, time.monotonic() - began, 0, again=again)
        ledger.said(msgspec.structs.asdict(state.counts), again=again)


def _table(folder: Path, rows: Sequence[Row]) -> Path:
    path = folder / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["Review ID", "Review", "Stars", "Date", "Language", "Reviewer"])
        for row in rows:
            stars = 1 + row.number("stars", 5)
            when = row.at.isoformat()
            table.writerow([row.id, row.text, stars, when, row.lang or "", row.customer])
    return path
