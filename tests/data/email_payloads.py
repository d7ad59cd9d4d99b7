"""All collected real mails through the e-mail core: what became of them, by group.

``python -m tests.data.email_payloads [FOLDER]``; the folder has ``email/*/*.eml`` and ``bounces/*.txt``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Rejected
from shared.events import Origin

PAYLOADS = Path(__file__).parents[3] / "shared" / "data" / "payloads"
NOW = 1_800_000_000_000
BOUNCES = frozenset({Origin.BOUNCE_HARD, Origin.BOUNCE_SOFT})
NO_BOUNCES = frozenset({"groupwise_03.txt", "qmail_08.txt"})
"""Among the samples of bounces but none: an ordinary reply and an auto-reply that broke parsers."""


def groups(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the files by group."""
    for group in ("email/malformed", "email/rfc", "bounces"):
        files = sorted((folder / group).glob("*.eml")) + sorted((folder / group).glob("*.txt"))
        yield group, files


def outcome(path: Path) -> Item | Rejected:
    """Return what becomes of the mail in ``path``, of which only the file is known."""
    try:
        return parse_message(path.read_bytes(), Envelope(), Settings(name="payloads"), NOW)
    except Rejected as rejected:
        return rejected


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAYLOADS
    print(f"{'group':<18}{'files':>6}{'items':>7}{'rejected':>10}{'bounces':>9}  origins")
    for group, files in groups(folder):
        outcomes = {path.name: outcome(path) for path in files}
        origins = Counter(o.origin.value for o in outcomes.values() if isinstance(o, Item))
        bounced = sum(origins[origin] for origin in BOUNCES)
        items = origins.total()
        share = f"{100 * bounced / len(files):.1f} %" if files else "-"
        print(
            f"{group:<18}{len(files):>6}{items:>7}{len(files) - items:>10}{share:>9}  {dict(origins)}"
        )
        for name, result in outcomes.items():
            if isinstance(result, Rejected):
                print(f"    {name}: {result}")
            elif group == "bounces" and result.origin not in BOUNCES:
                print(f"    {name}: {result.origin}")


if __name__ == "__main__":
    main()
