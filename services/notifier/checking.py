"""What is wrong with a file of sinks, all of it, and whether the policy's people are reached by it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from services.notifier import registry
from services.notifier.callbacks.doors import door
from services.notifier.customers import build as customers
from services.notifier.routing import DEFAULT
from services.notifier.settings import Sinks, SinkSettings
from services.notifier.sinks.build import CUSTOMERS, Making, build
from shared.errors import Misconfigured

T = TypeVar("T")

ADDRESSES: Final = {"smtp": "email", "apprise": "apprise"}
"""Kinds of sinks that need an address of whom they tell, unless they have one for all."""

Make = Callable[[str, SinkSettings, Sinks], None]
"""Proves a sink or, by the name ``customer.CHANNEL``, a writer (else ``Misconfigured``)."""


class Problem(NamedTuple):
    """What is wrong. A ``warning`` keeps nothing from working."""

    where: str
    what: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{'warning: ' if self.warning else ''}{self.where}: {self.what}"


class Reached(NamedTuple):
    """Somebody whom the policy names, with the sinks by which it wants them told."""

    name: str
    via: tuple[str, ...]


def examine(path: Path, make: Make) -> tuple[Sinks, list[Problem]]:
    """Return what of a file is right, and what is wrong with the rest."""
    problems: list[Problem] = []
    tree = _tree(path, problems)
    people = _people(tree.get("people", {}), path, problems)
    unknown = tree.keys() - {"sinks", "writers", "people"}
    problems += [Problem(f"[{name}]", "is none of sinks, writers, people") for name in unknown]
    found: dict[str, dict[str, SinkSettings]] = {}
    for section in ("sinks", "writers"):
        found[section] = {}
        for name, table in _tables(tree.get(section, {})):
            one = _tried(partial(registry.settings, path, section, name, table), path, problems)
            if one is not None:
                found[section][name] = one
    sinks = Sinks(sinks=found["sinks"], writers=found["writers"], people=people)
    for name, one in sinks.sinks.items():
        _tried(partial(make, name, one, sinks), path, problems)
    for name, one in sinks.writers.items():
        _tried(partial(make, CUSTOMERS + name, one, sinks), path, problems)
    return sinks, problems


def prove(making: Making) -> None:
    """Make all that a sink or a writer needs, once.

    Raises:
        Misconfigured: what is wrong with it.
    """
    if making.name.startswith(CUSTOMERS):
        for make in (customers.writer, customers.house, customers.composer):
            make(making)
    else:
        build(*making)
        door(making)


def unreached(sinks: Sinks, people: Iterable[Reached]) -> Iterator[Problem]:
    """Yield whom the sinks do not reach as the policy wants it."""
    has_default = DEFAULT in sinks.sinks and not sinks.sinks[DEFAULT].disabled
    for one in people:
        where, ways = f"policy: {one.name}", 0
        for name in one.via:
            sink = sinks.sinks.get(name)
            if sink is None:
                yield Problem(where, f"via {name}: there is no such sink")
            elif sink.disabled:
                yield Problem(where, f"via {name}: the sink is disabled", warning=True)
            elif not _has_address(sinks, sink, one.name):
                kind = ADDRESSES[sink.kind]
                yield Problem(where, f"via {name}: [people.{one.name}] has no {kind}")
            else:
                ways += 1
        if not ways and not (has_default and one.via):
            yield Problem(where, "nothing reaches them")


def _has_address(sinks: Sinks, sink: SinkSettings, target: str) -> bool:
    kind = ADDRESSES.get(sink.kind)
    common = sink.options.get("to") if sink.kind == "smtp" else sink.url
    return kind is None or bool(sinks.address(target, kind) or common)


def _tree(path: Path, problems: list[Problem]) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors are ValueErrors
        problems.append(Problem(str(path), str(error)))
        return {}


def _people(tables: object, path: Path, problems: list[Problem]) -> Mapping[str, Mapping[str, str]]:
    return _tried(partial(registry.people, path, tables), path, problems) or {}


def _tables(section: object) -> Iterable[tuple[str, object]]:
    return section.items() if isinstance(section, Mapping) else ()


def _tried(work: Callable[[], T], path: Path, problems: list[Problem]) -> T | None:
    """Return what ``work`` returns; None and a problem if it refuses."""
    try:
        return work()
    except Misconfigured as error:
        where, _, what = str(error).removeprefix(f"{path}: ").partition(": ")
        problems.append(Problem(where, what))
        return None
