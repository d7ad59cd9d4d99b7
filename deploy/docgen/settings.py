"""``reference/config.md`` and ``tocsin.toml.example``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from deploy.docgen.markdown import GENERATED, table
from deploy.docgen.meanings import OUTSIDE, SECTIONS, SETTINGS
from shared import config

_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false"}
_WIDTH = 98

_INTRODUCTION = """\
Order: defaults < settings file < environment < `--set NAME=VALUE`. The file is `tocsin.toml` in the
working directory, or the one that `$TOCSIN_CONFIG` or `tocsin --config FILE` names;
[`tocsin.toml.example`](../../../tocsin.toml.example) lists everything. The environment variable of a
setting is `TOCSIN_<SECTION>__<SETTING>`; with `_FILE` appended it names a file whose content is the
value, which is the way for secrets. An unknown setting or a value of the wrong type ends the process,
and the message names the origin and the nearest known setting. `tocsin config show` prints every
value with its origin.
"""


def page() -> str:
    """Return the reference of the settings."""
    aliases = [(f"`{name}`", f"`{'.'.join(path)}`") for name, path in config.ALIASES.items()]
    outside = [(f"`{name}`", text) for name, text in OUTSIDE.items()]
    return "\n".join([
        GENERATED,
        "# Settings\n",
        _INTRODUCTION,
        *(_section(section) for section in SECTIONS),
        "## Other variables\n",
        table(("variable", "setting"), aliases),
        table(("variable", "meaning"), outside),
    ])  # fmt: skip


def example() -> str:
    """Return ``tocsin.toml.example``: every setting with its default, commented out."""
    lines = [
        "# All settings of Tocsin with their defaults. Copy to tocsin.toml, uncomment what differs.",
        "# Secrets are better kept in files: TOCSIN_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka",
        "# Made by: python -m deploy.docgen",
    ]
    for section, heading in SECTIONS.items():
        lines += ["", f"# {heading}", *([f"[{section}]"] if section else [])]
        for name, value in _settings(section):
            lines += textwrap.wrap(
                SETTINGS[name].replace("`", ""),
                _WIDTH,
                initial_indent="# ",
                subsequent_indent="# ",
            )
            lines.append(f"#{name.rpartition('.')[2]} = {_toml(value)}")
    return "\n".join(lines)


def _section(section: str) -> str:
    rows = [
        (f"`{name}`", _TYPES[type(value)], f"`{_toml(value)}`", SETTINGS[name])
        for name, value in _settings(section)
    ]
    title = f"## `[{section}]`" if section else "## Outside of any section"
    head = ("setting", "type", "default", "meaning")
    return f"{title}\n\n{SECTIONS[section]}\n\n{table(head, rows)}"


def _settings(section: str) -> Iterator[tuple[str, config.Scalar]]:
    for name, value in config.dotted(config.Config()).items():
        if name.rpartition(".")[0] == section:
            yield name, value


def _toml(value: config.Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
