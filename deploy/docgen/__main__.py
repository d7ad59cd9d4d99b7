"""``python -m deploy.docgen [--check]``: write the pages, or name those that differ from the code.

It works in a checkout only: the pages are not part of the distribution.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.docgen import events, metrics, policy, providers, settings

ROOT = Path(__file__).parents[2]


def pages() -> dict[Path, str]:
    """Return what every generated file has to contain."""
    reference = ROOT / "deploy" / "docs" / "reference"
    made = {
        reference / "config.md": settings.page(),
        reference / "metrics.md": metrics.page(),
        reference / "events.md": events.page(ROOT / "tests" / "contract" / "golden"),
        reference / "policy.md": policy.page(),
        reference / "providers.md": providers.page(),
        ROOT / "tocsin.toml.example": settings.example(),
    }
    return {path: text.rstrip() + "\n" for path, text in made.items()}


def stale() -> dict[Path, str]:
    """Return the files that differ from the code, with what they have to contain."""
    return {
        path: wanted
        for path, wanted in pages().items()
        if not path.is_file() or path.read_text("utf-8") != wanted
    }


def main(argv: Sequence[str]) -> int:
    """Return 1 when something differs and was not to be written."""
    if list(argv) not in ([], ["--check"]):
        sys.stderr.write("usage: python -m deploy.docgen [--check]\n")
        return 2
    if not (ROOT / "pyproject.toml").is_file():
        sys.stderr.write("this works in a checkout only\n")
        return 2
    found = stale()
    for path, wanted in found.items():
        if argv:
            sys.stderr.write(f"{path.relative_to(ROOT)} differs from the code\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, "utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 1 if argv and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
