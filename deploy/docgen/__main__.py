"""``python -m deploy.docgen [--check | release]``: write the pages, or name what differs or breaks.

It works in a checkout only: most pages are not part of the distribution. ``release`` keeps what the
code promises now as what was released last; it refuses when that breaks what was promised before.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from deploy.docgen import (
    asyncapi,
    events,
    metrics,
    openapi,
    policy,
    providers,
    released,
    schemas,
    settings,
)

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "contract" / "golden"
RELEASED = ROOT / "tests" / "contract" / "released.json"
SCHEMAS = ROOT / "shared" / "schemas"


def version() -> str:
    """Return the version of the distribution as the checkout has it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def pages() -> dict[Path, str]:
    """Return what every generated file has to contain."""
    reference = ROOT / "deploy" / "docs" / "reference"
    made = {
        reference / "config.md": settings.page(),
        reference / "metrics.md": metrics.page(),
        reference / "events.md": events.page(GOLDEN),
        reference / "policy.md": policy.page(),
        reference / "providers.md": providers.page(),
        reference / "asyncapi.json": asyncapi.document(GOLDEN, version()),
        ROOT / "tocsin.toml.example": settings.example(),
    }
    made |= {reference / name: text for name, text in openapi.documents(GOLDEN, version()).items()}
    made |= {SCHEMAS / name: text for name, text in schemas.files().items()}
    return {path: text.rstrip() + "\n" for path, text in made.items()}


def stale() -> dict[Path, str]:
    """Return the files that differ from the code, with what they have to contain."""
    return {
        path: wanted
        for path, wanted in pages().items()
        if not path.is_file() or path.read_text("utf-8") != wanted
    }


def left() -> list[Path]:
    """Return the schemas of events that there are no more."""
    return sorted(set(SCHEMAS.glob("*.json")) - pages().keys())


def main(argv: Sequence[str]) -> int:
    """Return 1 when something differs and was not to be written, or when it must not be released."""
    if list(argv) not in ([], ["--check"], ["release"]):
        sys.stderr.write("usage: python -m deploy.docgen [--check | release]\n")
        return 2
    if not (ROOT / "pyproject.toml").is_file():
        sys.stderr.write("this works in a checkout only\n")
        return 2
    return release(RELEASED) if list(argv) == ["release"] else _pages(write=not argv)


def release(path: Path) -> int:
    """Keep in ``path`` what the code promises, unless it breaks what stands there."""
    old, new = released.read(path), released.current(version())
    broken = released.breaks(old, new) if old is not None else []
    for one in broken:
        sys.stderr.write(f"{one}\n")
    if broken:
        return 1
    path.write_text(released.text(new), "utf-8")
    sys.stdout.write(f"released {new['version']}\n")
    return 0


def _pages(*, write: bool) -> int:
    found, old = stale(), left()
    for path in (*found, *old):
        if not write:
            sys.stderr.write(f"{path.relative_to(ROOT)} differs from the code\n")
    if not write:
        return 1 if found or old else 0
    for path, wanted in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, "utf-8")
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    for path in old:
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
