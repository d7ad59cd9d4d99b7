"""Real payloads of WhatsApp and Bluesky through their modules: what becomes of every one.

``python -m tests.data.social_payloads [FOLDER]``; the folder has ``whatsapp/*.json``, each a tree of
named updates, and ``bluesky/*.jsonl``, Jetstream frames. The payloads stay outside the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import Delivery, Settings
from services.ingest.channels.providers import bluesky, meta
from services.ingest.channels.reading import read_json

PAYLOADS = Path(__file__).parents[3] / "shared" / "data" / "payloads"
NOW = 1_790_000_000_000
EVERYTHING = Settings(name="bluesky", options={"keywords": "a e i o u the 이 の ! ? ..."})
"""Words that nearly all posts contain: without any, nothing is taken."""


def updates(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the WhatsApp updates by name."""
    for path in sorted((folder / "whatsapp").glob("*.json")):
        yield from _named(path.stem, path.read_bytes())


def _named(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """An update has ``object`` as text; in a folder every value is an update or a folder."""
    found = read_json(raw, dict[str, msgspec.Raw])
    if bytes(found.get("object", msgspec.Raw())).startswith(b'"'):
        yield name, raw
        return
    for key, value in found.items():
        if bytes(value).startswith(b"{"):
            yield from _named(f"{name}/{key}", bytes(value))


def frames(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the Jetstream frames by file and line."""
    for path in sorted((folder / "bluesky").glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            yield f"{path.name}:{number}", line


def whatsapp_outcome(body: bytes) -> Delivery:
    """Return what the module makes of an update.

    Raises:
        Rejected: nothing.
    """
    hook = Hook(url="https://feedback.example.com/", body=body, now=NOW)
    return meta.parse(hook, Settings(name="meta"))


def bluesky_outcome(frame: bytes, settings: Settings = EVERYTHING) -> tuple[Delivery, int | None]:
    """Return what the module makes of a frame, every post being known.

    Raises:
        Rejected: nothing.
    """
    return bluesky.read_event(frame, settings, lambda _: True)


def line(delivery: Delivery) -> str:
    """Return a delivery on one line."""
    items = [
        f"{item.op} {item.medium} {item.native_id} by {item.role}: {item.text!r}"
        + (f" + {len(item.attachments)} attachments" if item.attachments else "")
        for item in delivery.items
    ]
    unfit = [f"unfit ({unfit.reason}): {unfit.detail}" for unfit in delivery.unfit]
    ignored = [f"ignored: {reason}" for reason in delivery.ignored]
    return "; ".join([*items, *unfit, *ignored]) or "nothing"


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAYLOADS
    for name, body in updates(folder):
        print(f"{name:<46}{line(whatsapp_outcome(body))}")
    for name, frame in frames(folder):
        delivery, cursor = bluesky_outcome(frame)
        if delivery != Delivery():
            print(f"{name:<46}{cursor} {line(delivery)}")


if __name__ == "__main__":
    main()
