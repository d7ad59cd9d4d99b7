"""One YAML rule file that can tell the line of any of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec
import yaml

from services.classifier.severity.patterns import PatternError, translate
from services.classifier.severity.schema import (
    ANY,
    LANGUAGES,
    ContextSpec,
    Patterns,
    RuleFile,
    RuleSpec,
    ThemeSpec,
)
from shared.errors import Misconfigured

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]|\[\.\.\.\]")
_PATTERN_FIELDS: Final = frozenset(
    [
        "patterns",
        "near",
        "near_text",
        "unless",
        "unless_text",
        "before",
        "after",
        "sentence",
        "text",
    ]
)
Path = tuple[str | int, ...]
Spec = TypeVar("Spec", RuleSpec, ContextSpec, ThemeSpec)


class Document:
    """A parsed and shape-checked rule file.

    Args:
        name: file name for messages.
        content: the YAML text.
        checked: whether every pattern is tried with RE2.

    Raises:
        Misconfigured: not YAML, or not the shape of ``RuleFile``.
    """

    def __init__(self, name: str, content: str, *, checked: bool = True) -> None:
        self._name = name
        self._content = content
        self._checked = checked
        try:
            data = yaml.load(content, _LOADER)  # noqa: S506  both loaders are safe ones
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            problem = getattr(error, "problem", None) or str(error)
            raise Misconfigured(f"{name}:{line}: not YAML: {problem}") from error
        try:
            self.file = msgspec.convert({} if data is None else data, RuleFile)
        except msgspec.ValidationError as error:
            message, _, at = str(error).partition(" - at `$")
            steps = tuple(key or int(index or 0) for key, index in _STEP.findall(at))
            raise Misconfigured(f"{self.at(steps)}: {message}") from error

    def at(self, path: Path) -> str:
        """Return ``file:line`` of the part at ``path``, or of its nearest known parent."""
        # Only a complaint needs to know where things stand, so only then the lines are looked up.
        node, line = yaml.compose(self._content, _LOADER), 0
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line
        return f"{self._name}:{line + 1}"

    def once(self, where: dict[str, Place], name: str, path: Path) -> None:
        """Remember where ``name`` is defined; refuse a second definition."""
        if name in where:
            former, there = where[name]
            raise Misconfigured(f"{self.at(path)}: {name} is already defined at {former.at(there)}")
        where[name] = self, path

    def translated(self, spec: Spec, path: Path) -> Spec:
        """Return ``spec`` with its patterns as RE2 expressions.

        Raises:
            Misconfigured: a pattern is invalid, or its language unknown.
        """
        changed = {
            field: self._patterns(getattr(spec, field), (*path, field))
            for field in spec.__struct_fields__
            if field in _PATTERN_FIELDS
        }
        return msgspec.structs.replace(spec, **changed)

    def _patterns(self, patterns: Patterns, path: Path) -> Patterns:
        done: Patterns = {}
        for language, sources in patterns.items():
            if language not in LANGUAGES and language != ANY:
                raise Misconfigured(f"{self.at((*path, language))}: unknown language {language!r}")
            done[language] = [
                self._translate(source, language, (*path, language, index))
                for index, source in enumerate(sources)
            ]
        return done

    def _translate(self, source: str, language: str, path: Path) -> str:
        try:
            return translate(source, language, self._define, checked=self._checked)
        except PatternError as error:
            raise Misconfigured(f"{self.at(path)}: pattern {source!r}: {error}") from error

    @property
    def _define(self) -> Mapping[str, str]:
        return self.file.define


Place = tuple[Document, Path]
"""Where something stands: ``place[0].at(place[1])`` tells the line."""


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    """Return the part of a YAML node that one step of a path leads to."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in _pairs(node) if key == str(step)), None)
    return None


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value:
        yield str(key.value), value
