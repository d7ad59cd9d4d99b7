"""JSON Schemas (2020-12) of all events, one file per type: ``case.event.v1.json``.

Made by ``python -m deploy.docgen`` from :mod:`shared.events`; programs in other languages take them as
they are, see deploy/docs/contracts.md.
"""

from __future__ import annotations

from importlib import resources


def names() -> list[str]:
    """Return the types of all events, old versions included."""
    found = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def text(name: str) -> str:
    """Return the schema of an event by its type.

    Raises:
        FileNotFoundError: no such type.
    """
    return resources.files(__name__).joinpath(f"{name}.json").read_text("utf-8")
