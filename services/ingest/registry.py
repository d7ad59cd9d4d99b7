"""The sources that this installation listens to: ``sources.toml``, read again whenever it changes.

One table a source. Secrets stand in the file, which only its owner may read, or in a file of their
own (``"file:/run/secrets/stripe"``), as orchestrators mount them. Two may be active, newest first, so
that a secret is rotated without a moment in which either side is refused.
"""

from __future__ import annotations

import asyncio
import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import structlog

from services.ingest.channels import providers
from services.ingest.channels.generic import source_name
from services.ingest.channels.provider import Credentials, Provider, Settings
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import Door
from shared.errors import Misconfigured

MAX_SECRETS = 2
MIN_SECRET_CHARS = 8
GRACE_S = 7 * 86_400.0
"""Ids are remembered for longer than the platform can send again, by so much."""

_FILE = "file:"
_WHOLE = "*"
_log = structlog.get_logger(__name__)


class Source(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One source as it stands in the file.

    ``rate`` and ``burst`` bound its items per second and process; ``region`` is that of telephone
    numbers without a country code; ``dedupe_days`` overrides what the provider's redelivery asks for.
    """

    DEFAULT_RATE: ClassVar[float] = 200.0

    provider: str
    secrets: tuple[str, ...] = ()
    paused: bool = False
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = DEFAULT_RATE
    burst: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 2_000
    region: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] | None = None
    languages: tuple[str, ...] = ()
    dedupe_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] | None = None
    options: dict[str, str] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, Source] = {}


class Configured(msgspec.Struct, frozen=True):
    """A source with its provider, ready for use."""

    name: str
    source: Source
    provider: Provider
    settings: Settings
    credentials: Credentials

    @property
    def dedupe_s(self) -> float:
        """Return for how long ids of the source are remembered, in seconds."""
        if self.source.dedupe_days is not None:
            return self.source.dedupe_days * 86_400.0
        return self.provider.capability.redelivery_s + GRACE_S


Sources = Mapping[str, Configured]


def read(path: Path) -> dict[str, Source]:
    """Return the sources in ``path``, as they stand there; none if there is no such file.

    Raises:
        Misconfigured: what is wrong, and in which source.
    """
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors are ValueErrors
        raise Misconfigured(f"{path}: {error}") from error
    try:
        return msgspec.convert(tree, _File).sources
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {error}") from error


def load(path: Path) -> tuple[Sources, dict[str, str]]:
    """Return the sources in ``path`` with their secrets, and what is wrong with those that will not do.

    Raises:
        Misconfigured: the file as a whole cannot be read.
    """
    sources: dict[str, Configured] = {}
    faults: dict[str, str] = {}
    for name, source in read(path).items():
        try:
            sources[name] = configured(name, source)
        except Misconfigured as error:  # it concerns this source, and no other
            faults[name] = str(error)
    return sources, faults


def configured(name: str, source: Source) -> Configured:
    """Return ``source`` with its provider.

    Raises:
        Misconfigured: an unknown provider or option, a name or secret that will not do.
    """
    try:
        source_name(name)
    except Rejected as rejected:
        raise Misconfigured(f"sources.{name}: {rejected.detail}") from rejected
    known = providers.load()
    provider = known.get(source.provider)
    if provider is None:
        hint = _nearest(source.provider, known)
        raise Misconfigured(f"sources.{name}: unknown provider {source.provider!r}{hint}")
    for option in source.options:
        if option not in provider.options:
            hint = _nearest(option, provider.options)
            raise Misconfigured(f"sources.{name}: {provider.name} has no option {option!r}{hint}")
    for option in provider.required:
        if not source.options.get(option, "").strip():
            raise Misconfigured(
                f"sources.{name}: option {option!r} is missing: {provider.options[option]}"
            )
    settings = Settings(
        name=name, region=source.region, languages=source.languages, options=source.options
    )
    credentials = Credentials(secrets=_secrets(name, source, provider))
    return Configured(name, source, provider, settings, credentials)


def _secrets(name: str, source: Source, provider: Provider) -> tuple[bytes, ...]:
    if len(source.secrets) > MAX_SECRETS:
        raise Misconfigured(f"sources.{name}: {len(source.secrets)} secrets, at most {MAX_SECRETS}")
    if provider.needs_secret and not source.secrets:
        raise Misconfigured(f"sources.{name}: a secret is missing: {provider.secret}")
    found = tuple(_secret(name, secret) for secret in source.secrets)
    if any(len(secret) < MIN_SECRET_CHARS for secret in found):
        raise Misconfigured(
            f"sources.{name}: a secret has fewer than {MIN_SECRET_CHARS} characters"
        )
    return found


def _secret(name: str, secret: str) -> bytes:
    if not secret.startswith(_FILE):
        return secret.encode()
    path = Path(secret.removeprefix(_FILE))
    try:
        return path.read_bytes().strip()
    except (OSError, ValueError) as error:
        raise Misconfigured(f"sources.{name}: cannot read {path}: {error}") from error


def _nearest(word: str, known: Mapping[str, object]) -> str:
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.0)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def door(source: Configured, trace: bytes = b"") -> Door:
    """Return what intake is to know about ``source``."""
    return Door(
        source=source.name,
        traceparent=trace,
        provider=source.provider.name,
        settings=source.settings,
        dedupe_s=source.dedupe_s,
    )


class Registry:
    """The sources in force; ``faults`` says what is wrong with others, by name.

    What is broken never replaces what was not: neither a file nor a single source, and a file that
    is suddenly empty or gone is taken for a slip (``tocsin sources remove`` empties it on purpose).
    """

    def __init__(self, path: Path, poll_s: float = 1.0) -> None:
        """Read ``path``.

        Raises:
            Misconfigured: it cannot be read at all.
        """
        self._path = path
        self._poll_s = poll_s
        self._listeners: list[Callable[[Sources], None]] = []
        self.faults: dict[str, str] = {}
        self._sources, faults = load(path)
        self._stamp = self._stamps()
        self._report(faults)

    @property
    def sources(self) -> Sources:
        """Return the sources in force."""
        return self._sources

    def listen(self, listener: Callable[[Sources], None]) -> None:
        """Have ``listener`` told whenever the sources change."""
        self._listeners.append(listener)

    def refresh(self) -> bool:
        """Read the file again if it or a secret changed; return whether other sources are in force."""
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            sources, faults = self._reloaded()
        except Misconfigured as error:
            self._report({_WHOLE: str(error)})
            return False
        self._report(faults)
        self._stamp = self._stamps(sources)
        if sources == self._sources:
            return False
        self._sources = sources
        _log.info("sources taken over", sources=len(sources))
        for listener in self._listeners:
            listener(sources)
        return True

    async def watch(self) -> None:
        """Follow the file for ever."""
        while True:
            await asyncio.sleep(self._poll_s)
            self.refresh()

    def _reloaded(self) -> tuple[Sources, dict[str, str]]:
        if self._sources and not self._path.exists():
            raise Misconfigured(f"{self._path} is gone")
        if self._sources and not self._path.stat().st_size:
            raise Misconfigured(f"{self._path} is empty")
        sources, faults = load(self._path)
        kept = {name: self._sources[name] for name in faults if name in self._sources}
        return {**sources, **kept}, faults

    def _report(self, faults: dict[str, str]) -> None:
        self.faults = faults
        for name, fault in faults.items():
            _log.error("a source was not taken over", source=name, fault=fault)

    def _stamps(self, sources: Sources | None = None) -> tuple[tuple[int, int, int] | None, ...]:
        """Return what tells that the file or one of the secrets in files of their own has changed."""
        found = self._sources if sources is None else sources
        secrets = (
            Path(secret.removeprefix(_FILE))
            for source in found.values()
            for secret in source.source.secrets
            if secret.startswith(_FILE)
        )
        return tuple(_stamp(path) for path in (self._path, *secrets))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
