"""One YAML rule file that can tell the line of any of its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

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
from shared import yaml_lines
from shared.errors import Misconfigured
from shared.yaml_lines import Path

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
            data = yaml_lines.parse(content)
        except yaml_lines.NotYaml as error:
            raise Misconfigured(f"{name}:{error.place.line}: {error}") from error
        try:
            self.file = msgspec.convert({} if data is None else data, RuleFile)
        except msgspec.ValidationError as error:
            message, _, at = str(error).partition(" - at `$")
            steps = tuple(key or int(index or 0) for key, index in _STEP.findall(at))
            raise Misconfigured(f"{self.at(steps)}: {message}") from error

    def at(self, path: Path) -> str:
        """Return ``file:line`` of the part at ``path``, or of its nearest known parent."""
        # Only a complaint needs to know where things stand, so only then the lines are looked up.
        node = yaml_lines.find(yaml_lines.compose(self._content), path)
        return f"{self._name}:{yaml_lines.place_of(node).line}"

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
