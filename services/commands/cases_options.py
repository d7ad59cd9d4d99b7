"""Options of ``tocsin cases``: times and spans, and what the options say as fields of a command."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import click
import msgspec

S = TypeVar("S", bound=msgspec.Struct)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_MOST: Final = 999_999
"""The count of a span: more weeks are too many for any clock."""


class When(NamedTuple):
    """A time: ``at_ms`` since the epoch, or with ``span`` as many ms from now (negative: before)."""

    at_ms: int
    span: bool = False

    def resolved(self, now_ms: int) -> int:
        """Return it in ms since the epoch."""
        return now_ms + self.at_ms if self.span else self.at_ms


class Time(click.ParamType):
    """RFC 3339 with its zone, or a span: from now on, or ``back`` from now."""

    name = "time"

    def __init__(self, *, back: bool = False) -> None:
        self._sign = -1 if back else 1

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> When:
        """Read ``4h``, ``2d`` or ``2026-05-01T12:00:00Z``."""
        found = value if isinstance(value, When) else self._read(str(value))
        if found is None:
            example = "a time such as 2026-05-01T12:00:00Z, or a span such as 4h"
            self.fail(f"{value!r}: expected {example}", param, ctx)
        return found

    def _read(self, text: str) -> When | None:
        from services.record.times import moment

        if span := re.fullmatch(r"(\d+)([smhdw])", text):
            count = int(span[1])
            return When(self._sign * count * _UNIT_MS[span[2]], True) if count <= _MOST else None
        try:
            return When(moment(text, 0))
        except ValueError:
            return None


AHEAD: Final = Time()
BACK: Final = Time(back=True)

Given = str | int | bool | When | tuple[str, ...] | None
"""What click makes of an option."""

Field = str | int | bool | tuple[str, ...]
Tree = Mapping[str, Field | dict[str, Field]]


def among(words: type[enum.StrEnum], *without: enum.StrEnum) -> click.Choice[str]:
    """Return a choice of the words of a vocabulary."""
    return click.Choice([word.value for word in words if word not in without])


def tree_of(given: Mapping[str, Given], now_ms: int) -> Tree:
    """Return options as nested fields: ``offer__chosen`` becomes ``chosen`` of ``offer``.

    What was not given is left out.
    """
    flat: dict[str, Field] = {}
    nested: dict[str, dict[str, Field]] = {}
    for name, value in given.items():
        if value is None or value == ():
            continue
        field = value.resolved(now_ms) if isinstance(value, When) else value
        head, _, inner = name.partition("__")
        if inner:
            nested.setdefault(head, {})[inner] = field
        else:
            flat[head] = field
    return flat | nested


def converted(tree: Tree, kind: type[S]) -> S:
    """Return the struct that the fields make; ``UsageError`` names the one that does not fit."""
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error
