"""The file of sinks (``sinks.toml``), read at the start and again whenever it changes.

What is broken never replaces what was not: a file that cannot be read, or of which one sink cannot be
made, is refused whole with what is wrong, and the one in force stays. So does one that is suddenly gone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from services.notifier.settings import MAX_SECRETS, Sinks, SinkSettings
from shared.errors import Misconfigured
from shared.events import Channel
from shared.following import follow, stamp_of

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A name is part of a consumer group; without a dot, it is never that of a customers' sink."""
WRITERS: Final = tuple(one.value for one in Channel if one is not Channel.OTHER)

Listener = Callable[[Sinks], None]
Check = Callable[[Sinks], None]
"""Raises ``Misconfigured`` for what is wrong with a kind of sink."""

_log = structlog.get_logger(__name__)


def read(path: Path) -> Sinks:
    """Return what is in the file; nothing when there is no such file.

    Raises:
        Misconfigured: what is wrong, with the file, the sink and the option.
    """
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Sinks()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors are ValueErrors
        raise Misconfigured(f"{path}: {error}") from error
    sinks = Sinks(
        sinks=_settings(path, tree.pop("sinks", {}), "sinks"),
        writers=_settings(path, tree.pop("writers", {}), "writers"),
        people=people(path, tree.pop("people", {})),
    )
    for unknown in tree:
        raise Misconfigured(f"{path}: [{unknown}]: only sinks, writers and people are known")
    return sinks


def _settings(path: Path, tables: object, section: str) -> dict[str, SinkSettings]:
    if not isinstance(tables, Mapping):
        raise Misconfigured(f"{path}: {section} has to be tables, such as [{section}.NAME]")
    return {name: settings(path, section, name, table) for name, table in tables.items()}


def settings(path: Path, section: str, name: str, table: object) -> SinkSettings:
    """Return what ``[section.name]`` says, ``section`` being sinks or writers.

    Raises:
        Misconfigured: what is wrong with it.
    """
    where = f"{path}: [{section}.{name}]"
    if section == "writers" and name not in WRITERS:
        raise Misconfigured(f"{where}: is none of {', '.join(WRITERS)}")
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{where}: a name has letters, digits, '-' and '_', at most 64")
    try:
        found = msgspec.convert(table, SinkSettings)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{where}: {error}") from error
    if len(found.secrets) > MAX_SECRETS:
        raise Misconfigured(f"{where}: secrets: {len(found.secrets)}, at most {MAX_SECRETS}")
    for number, secret in enumerate(found.secrets):
        if not secret.strip():  # everybody could sign with it
            raise Misconfigured(f"{where}: secrets[{number}] is empty")
    return found


def people(path: Path, tables: object) -> dict[str, dict[str, str]]:
    """Return what ``[people]`` says: how each is reached, by kind of address (same errors)."""
    try:
        return msgspec.convert(tables, dict[str, dict[str, str]])
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: [people]: {error}") from error


class Registry:
    """The sinks in force.

    Args:
        check: tells what else is wrong with sinks; asked before they are taken over.

    Raises:
        Misconfigured: the file is not usable at the start.
    """

    def __init__(self, path: Path, check: Check) -> None:
        self._path = path
        self._check = check
        self._listeners: list[Listener] = []
        self._seen = stamp_of(path)
        self.sinks = self._read()

    def start(self) -> None:
        """Follow the file for as long as the process lives."""
        follow("sinks", self.refresh)

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` told whenever other sinks are in force, in a thread of the registry."""
        self._listeners.append(listener)

    def refresh(self) -> bool:
        """Look at the file once; return whether other sinks are in force now."""
        stamp = stamp_of(self._path)
        if stamp == self._seen:
            return False
        try:
            if not self._path.exists():
                raise Misconfigured(f"{self._path} is gone")
            sinks = self._read()
            if stamp_of(self._path) != stamp:  # somebody writes it: the next look sees all of it
                return False
        except Misconfigured as error:
            self._seen = stamp
            _log.error("sinks refused, the former ones stay", error=str(error))
            return False
        self._seen = stamp
        if sinks == self.sinks:
            return False
        self.sinks = sinks
        _log.info("other sinks are in force", sinks=sorted(sinks.sinks))
        for listener in self._listeners:
            listener(sinks)
        return True

    def _read(self) -> Sinks:
        sinks = read(self._path)
        self._check(sinks)
        return sinks
