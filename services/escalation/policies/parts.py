"""Parts of a YAML document while it is read: each knows its place, all complaints are collected."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import yaml

from shared import yaml_lines
from shared.events import Struct
from shared.yaml_lines import Path, Place

MAX_PARTS: Final = 50_000
"""Anchors let a small file stand for a huge one; no policy has so many parts."""

T = TypeVar("T")
D = TypeVar("D")
_TAG: Final = "tag:yaml.org,2002:"
_KINDS: Final = {yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list"}


class Problem(Struct, frozen=True):
    """What is wrong, or with ``warning`` only doubtful, and where; lines and columns from 1."""

    file: str
    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        """Return ``file:line:column: what is wrong``."""
        mark = "warning: " if self.warning else ""
        return f"{self.file}:{self.line}:{self.column}: {mark}{self.message}"


class Wrong(Exception):
    """A part cannot be used; the report has the complaint already."""


class TooMuch(Exception):
    """The document stands for more than any policy has; the report has the complaint already."""


class Report:
    """The complaints about one file; ``broken`` are the paths of the parts that cannot be used."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.broken: set[Path] = set()
        self._problems: dict[Problem, None] = {}
        self._parts = 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return all complaints, each once."""
        return tuple(self._problems)

    def add(self, place: Place, message: str, *, warning: bool = False) -> None:
        """Complain."""
        line, column = place
        problem = Problem(
            file=self.file, line=line, column=column, message=message, warning=warning
        )
        self._problems[problem] = None

    def count(self, node: yaml.Node) -> None:
        """Count a part; ``TooMuch`` when there are too many."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            place = yaml_lines.place_of(node)
            self.add(place, f"more than {MAX_PARTS} parts; do anchors repeat each other?")
            raise TooMuch


class Part:
    """One part of the document at ``path``; what reads it raises ``Wrong`` after the complaint."""

    def __init__(self, node: yaml.Node, path: Path, report: Report) -> None:
        self._node = node
        self._report = report
        self.path = path

    def wrong(self, message: str) -> Wrong:
        """Note a complaint about this part; return what to raise."""
        where = dotted(self.path)
        place = yaml_lines.place_of(self._node)
        self._report.add(place, f"{where}: {message}" if where else message)
        self._report.broken.add(self.path)
        return Wrong()

    def attempt(self, read: Callable[[Part], T], otherwise: D) -> T | D:
        """Return what ``read`` makes of this part; ``otherwise`` when that is wrong."""
        try:
            return read(self)
        except Wrong:
            return otherwise

    @property
    def is_list(self) -> bool:
        """Tell whether this is a list."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Tell whether this has keys."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is written here."""
        return self._node.tag == f"{_TAG}null"

    def items(self) -> list[Part]:
        """Return the parts of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong("should be a list")
        return [self._below(node, number) for number, node in enumerate(self._node.value)]

    def entries(self) -> dict[str, Part]:
        """Return the parts of a mapping by their keys, merged ones (``<<``) included."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong("should have keys, each with a value")
        found: dict[str, Part] = {}
        for key, node in self._own(self._node):
            step = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            name = self._below(key, step).attempt(Part.name, "")
            if name in found:
                self._below(key, name).wrong("is there twice")
            elif name:
                found[name] = self._below(node, name)
        for key, node in self._merged(self._node):
            if isinstance(key, yaml.ScalarNode) and key.value not in found:
                found[key.value] = self._below(node, key.value)
        return found

    def fields(self, known: Iterable[str]) -> dict[str, Part]:
        """Return the parts of a mapping; complain of each key that is not ``known``."""
        names = tuple(known)
        found = self.entries()
        for name in [one for one in found if one not in names]:
            found.pop(name).wrong(f"is no known key{nearest(name, names)}")
        return found

    def text(self) -> str:
        """Return a text. What YAML takes for something else has to be in quotes."""
        node = self._scalar()
        if node.tag == f"{_TAG}null":
            raise self.wrong("is empty; give it a value or leave it out")
        if node.tag != f"{_TAG}str":
            kind = node.tag.removeprefix(_TAG)
            raise self.wrong(f"{node.value} is read as {_WORDS.get(kind, kind)}; put it in quotes")
        return str(node.value)

    def name(self) -> str:
        """Return a text that is not empty."""
        found = self.text()
        if not found.strip() or "\n" in found:
            raise self.wrong("a name is one line and not empty")
        return found

    def written(self) -> str:
        """Return a single value as it is written, whatever YAML takes it for."""
        if self.is_empty:
            raise self.wrong("is empty; give it a value or leave it out")
        return str(self._scalar().value)

    def number(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        node = self._scalar()
        digits = node.value.removeprefix("-")
        if node.tag != f"{_TAG}int" or not digits.isascii() or not digits.isdigit():
            raise self.wrong(f"{node.value!r} is no whole number")
        if not low <= int(node.value[:20]) <= high:
            raise self.wrong(f"{node.value} is not between {low} and {high}")
        return int(node.value)

    def flag(self) -> bool:
        """Return true or false."""
        node = self._scalar()
        if node.tag != f"{_TAG}bool":
            raise self.wrong(f"{node.value!r} is neither true nor false")
        return node.value.lower() in {"true", "yes", "on"}

    def _scalar(self) -> yaml.ScalarNode:
        if not isinstance(self._node, yaml.ScalarNode):
            kind = _KINDS.get(type(self._node), "keys with values")
            raise self.wrong(f"should be a single value, not {kind}")
        return self._node

    def _below(self, node: yaml.Node, step: str | int) -> Part:
        self._report.count(node)
        return Part(node, (*self.path, step), self._report)

    def _own(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        return ((key, value) for key, value in node.value if key.tag != f"{_TAG}merge")

    def _merged(
        self, node: yaml.MappingNode, depth: int = 0
    ) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Yield what ``<<`` adds; the first of several that have a key gives it."""
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                self._report.count(value)
                if not isinstance(one, yaml.MappingNode) or depth > 10:
                    raise self._below(value, "<<").wrong("should be an anchor of keys and values")
                yield from self._own(one)
                yield from self._merged(one, depth + 1)


def dotted(path: Path) -> str:
    """Return a path as people write it, such as ``packs[0].match``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is most like ``word``, or at all when they are few."""
    words = sorted(map(str, known))
    found = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if found:
        return f"; did you mean {found[0]!r}?"
    return f"; one of {', '.join(words)}" if 0 < len(words) <= 12 else ""


_WORDS: Final = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a merge key",
}
