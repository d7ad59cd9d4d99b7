"""``python -m tests.data.doors [--json] [--limit N] [--no-payloads] [FILE…]``.

Starts an intake of its own, sends every row of the public files through the door of its channel, sends
some of them again, sends all collected payloads, and compares what was acknowledged with what is in the
log. Exit code 1 if anything was lost, doubled, or left without a trace. No text is printed or kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from services.ingest.registry import Source
from shared import topics
from tests.data.doors import audit, mail, outlet, payloads, report
from tests.data.doors.house import BURST, RATE, House, has_smtp
from tests.data.doors.importing import Importer
from tests.data.doors.ledger import Ledger
from tests.data.doors.mailing import Mail, send_all
from tests.data.doors.plan import IMPORT, NDJSON, SMTP, Door, batches, shared_out, source_of
from tests.data.doors.posting import Parcel, post_all
from tests.data.doors.rows import Row, rows
from tests.data.doors.sealing import secret_of
from tests.data.doors.writing import Written, ndjson

DATA = Path(__file__).parents[4] / "shared" / "data"
AGAIN = 50
"""Of so many requests one is sent a second time."""


class Share:
    """The rows of one file that go through one door."""

    def __init__(self, file: Path, door: Door, some: list[Row]) -> None:
        self.file = file.stem
        self.door = door
        self.rows = some
        self.ledger = Ledger(source_of(door, file.stem), rows=len(some))

    @property
    def mailbox(self) -> str:
        """Where mail of the file goes."""
        return f"{self.file}@in.example.com"

    def source(self) -> Source | None:
        """Return what has to be configured for it."""
        provider = self.door.provider
        if provider == "generic":
            return None
        mailed = provider == "smtp"
        return Source(
            provider=provider,
            secrets=() if mailed else (secret_of(provider),),
            rate=RATE,
            burst=BURST,
            options={"recipients": self.mailbox} if mailed else {},
        )

    def parcels(self, *, again: bool = False) -> list[Parcel]:
        """Return its web requests, or those of them that are sent again."""
        if self.door.name in {SMTP, IMPORT}:
            return []
        portions = list(batches(self.rows, self.door.batch))[:: AGAIN if again else 1]
        provider = "" if self.door.name == NDJSON else self.door.provider
        return [
            Parcel(self.ledger, provider, partial(self._written, portion), again)
            for portion in portions
        ]

    def mails(self, *, again: bool = False) -> Iterator[Mail]:
        """Yield its mails, or those of them that are sent again."""
        if self.door.name == SMTP:
            for row in self.rows[:: AGAIN if again else 1]:
                yield self._mail(row, again=again)

    def table(self, *, again: bool = False) -> list[Row]:
        """Return its rows that are imported, or those that are imported again."""
        return self.rows[:: AGAIN if again else 1] if self.door.name == IMPORT else []

    def _written(self, portion: Sequence[Row]) -> Written:
        if self.door.write is None:
            return ndjson(portion, self.ledger.source)
        return self.door.write(portion)

    def _mail(self, row: Row, *, again: bool) -> Mail:
        head = mail.letterhead(row)
        items = {head.message_id: len(row.text)}
        return Mail(self.ledger, head.sender, self.mailbox, mail.mime(row), items, again)


def shares(files: list[Path], limit: int | None) -> list[Share]:
    """Return who sends what."""
    return [
        Share(file, door, some)
        for file in files
        for door, some in shared_out(rows(file, limit), smtp=has_smtp()).items()
    ]


async def send(house: House, importer: Importer, some: list[Share], *, again: bool) -> None:
    """Send the rows of ``some`` through all of their doors at once."""
    parcels = [parcel for share in some for parcel in share.parcels(again=again)]
    mails = (one for share in some for one in share.mails(again=again))
    async with asyncio.TaskGroup() as group:
        if parcels:
            group.create_task(post_all(house.url, parcels))
        if any(share.door.name == SMTP for share in some):
            group.create_task(asyncio.to_thread(send_all, house.smtp_port, mails))
        for share in some:
            if table := share.table(again=again):
                group.create_task(asyncio.to_thread(importer.run, table, share.ledger, again=again))


def run(folder: Path, options: argparse.Namespace) -> report.Result:
    """Do everything; ``folder`` is for data and logs."""
    every = shares(options.files, options.limit)
    sources = {share.ledger.source: share.source() for share in every}
    known = {name: source for name, source in sources.items() if source is not None}
    house = House(folder, known | dict(payloads.sources()))
    house.start()
    try:
        importer = Importer(folder / "import", house.settings)
        seconds = {}
        for file in options.files:
            some = [share for share in every if share.file == file.stem]
            began = time.monotonic()
            asyncio.run(send(house, importer, some, again=False))
            seconds[file.stem] = time.monotonic() - began
            _tell(f"{file.stem}: {sum(share.ledger.rows for share in some)} rows")
        before = house.counts()
        asyncio.run(send(house, importer, every, again=True))
        after = house.counts()
        outcomes = payloads.send(house, DATA / "payloads") if options.payloads else []
        found = audit.gathered(
            outlet.read(house.bootstrap, house.names.of(topics.FEEDBACK_RECEIVED)),
            outlet.read(house.bootstrap, house.names.of(topics.DEAD_LETTERS)),
        )
    finally:
        house.stop()
    imported = sum(share.ledger.repeated["duplicate"] for share in every if share.table())
    result = report.Result(
        lines=[audit.line(one.file, one.door.name, one.ledger, found) for one in every],
        payloads=payloads.judged(outcomes, found),
        letters=dict(found.letters),
        resent=sum(share.ledger.resent for share in every),
        recognised=after["duplicate:exact"] - before["duplicate:exact"] + imported,
        repeats=after["duplicate:near"],
        seconds=seconds,
    )
    result.clean = report.judge(result)
    return result


def _tell(message: str) -> None:
    sys.stderr.write(f"· {message}\n")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.data.doors")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="all public files")
    parser.add_argument("--limit", type=int, help="send so many rows of each file")
    parser.add_argument("--no-payloads", dest="payloads", action="store_false")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    options.files = options.files or sorted((DATA / "public").glob("*.jsonl"))
    with tempfile.TemporaryDirectory(prefix="tocsin-doors-") as folder:
        result = run(Path(folder), options)
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        sys.stdout.write(report.markdown(result) + "\n")
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())
