"""Real feedback texts as items: ``python -m tests.data.public_items FILE | tocsin demo --input -``.

The files of the data folder carry labels and provenance beside the text; intake refuses fields that
it does not know, so only what an item may have is passed on. The texts stay outside the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Row(msgspec.Struct):
    """What all files have in common."""

    id: str
    channel: str
    text: str
    lang: str | None = None


def items(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of one file as input items; the file's name becomes the source."""
    with path.open("rb") as file:
        for line in file:
            row = msgspec.json.decode(line, type=Row)
            item = {"id": row.id, "channel": row.channel, "text": row.text, "source": path.stem}
            yield item | ({"language": row.lang} if row.lang else {})


def main() -> None:
    """Write the items of all files named on the command line to standard output."""
    for name in sys.argv[1:]:
        for item in items(Path(name)):
            sys.stdout.buffer.write(msgspec.json.encode(item) + b"\n")


if __name__ == "__main__":
    main()
