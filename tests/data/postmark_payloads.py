"""Postmark's own test payloads against our module: ``python -m tests.data.postmark_payloads FOLDER``.

Prints, for each JSON file of the folder, the item it gives or the reason why not. The payloads stay
outside the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import Delivery, Settings
from services.ingest.channels.providers import postmark
from services.ingest.channels.rejection import Rejected

NOW = 1_790_000_000_000


def outcome(body: bytes) -> str:
    """Return what becomes of one payload, on one line."""
    hook = Hook(url="https://feedback.example.com/", body=body, now=NOW)
    try:
        return _line(postmark.parse(hook, Settings(name="postmark")))
    except Rejected as rejected:
        return f"refused: {rejected}"


def _line(delivery: Delivery) -> str:
    items = [
        f"item {item.native_id} at {item.occurred_at}, {len(item.attachments)} attachments,"
        f" flags {[flag.value for flag in item.flags]}: {item.text!r}"
        for item in delivery.items
    ]
    unfit = [f"unfit ({unfit.reason}): {unfit.detail}" for unfit in delivery.unfit]
    ignored = [f"ignored: {reason}" for reason in delivery.ignored]
    return "; ".join([*items, *unfit, *ignored])


def main(folder: str) -> None:
    """Print the table of one folder."""
    for path in sorted(Path(folder).glob("*.json")):
        print(f"{path.stem:45} {outcome(path.read_bytes())}")


if __name__ == "__main__":
    main(sys.argv[1])
