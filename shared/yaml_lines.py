"""YAML that can tell where each of its parts stands; lines and columns are counted from 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import yaml

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe, like ``yaml.SafeLoader``, and in C where that is there."""

MAX_DEPTH: Final = 100
Path = tuple[str | int, ...]
"""How to get to a part: keys of mappings and numbers of items."""


class Marked(Protocol):
    """What the parser in C and the one in Python tell of a place, counted from 0."""

    line: int
    column: int


class Place(NamedTuple):
    """Where something stands in a file."""

    line: int
    column: int


class NotYaml(ValueError):
    """A text is not YAML; ``place`` is where that shows."""

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(f"not YAML: {problem}")
        self.place = place


def parse(content: str) -> object:
    """Return the data of one document.

    Raises:
        NotYaml: it cannot be read.
    """
    try:
        return yaml.load(content, LOADER)  # noqa: S506  it is a safe one
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(error, content) from error


def compose(content: str) -> yaml.Node | None:
    """Return the nodes of one document, None when it is empty.

    Raises:
        NotYaml: it cannot be read.
    """
    try:
        _check_depth(content)
        return yaml.compose(content, LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(error, content) from error


def place_of(node: yaml.Node | None) -> Place:
    """Return where a node begins."""
    return Place(1, 1) if node is None else _place(node.start_mark)


def find(node: yaml.Node | None, path: Path) -> yaml.Node | None:
    """Return the part at ``path``, or its nearest known parent."""
    for step in path:
        found = child(node, step)
        if found is None:
            break
        node = found
    return node


def child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    """Return the part of a node that one step of a path leads to."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in _pairs(node) if key == str(step)), None)
    return None


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value:
        yield str(key.value), value


def _check_depth(content: str) -> None:
    """Refuse what is nested so deeply that composing its nodes would use up the stack."""
    depth = 0
    for event in yaml.parse(content, LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                place = Place(1, 1) if mark is None else _place(mark)
                raise NotYaml(f"nested deeper than {MAX_DEPTH}", place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _not_yaml(error: Exception, content: str) -> NotYaml:
    if isinstance(error, yaml.reader.ReaderError):
        before = content[: error.position]
        column = len(before) - before.rfind("\n")
        return NotYaml(error.reason, Place(before.count("\n") + 1, column))
    if not isinstance(error, yaml.MarkedYAMLError):
        return NotYaml(str(error).partition("\n")[0], Place(1, 1))
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or str(error)
    if mark is None:
        return NotYaml(problem, Place(1, 1))
    lines = content.splitlines()
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        problem = "a tab cannot indent; use spaces"
    return NotYaml(problem, _place(mark))


def _place(mark: Marked) -> Place:
    return Place(mark.line + 1, mark.column + 1)
