"""One file to import: how it is read, as which source it goes in, and how far it is."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Rejected
from services.ingest.importing import run as running
from services.ingest.importing import state as states
from services.ingest.importing.convert import Recipe, Step, steps
from services.ingest.importing.formats import Format, recognise
from services.ingest.importing.report import Report, Reporter
from services.ingest.importing.state import State
from services.ingest.intake import Intake
from services.ingest.prepare import GENERIC, Door, Preparer
from services.ingest.registry import Source as Configured
from services.ingest.sources.files import Source
from shared.errors import TocsinError
from shared.events import Flag

Progress = Callable[[int], None]
_PROVIDERS = frozenset({Format.ZENDESK, Format.CHATWOOT})


class Damaged(TocsinError):
    """A file that cannot be read to its end; what came before it was taken."""


@dataclass(frozen=True)
class Order:
    """What was asked for. ``format`` None: to be recognised; ``folder`` is where states are kept."""

    source: str
    format: Format | None
    columns: Mapping[str, str]
    settings: Settings
    provider: str
    flags: tuple[Flag, ...]
    folder: Path
    state: Path | None = None
    restart: bool = False

    @classmethod
    def settings_of(
        cls, name: str, configured: Configured | None, options: Mapping[str, str]
    ) -> Settings:
        """Return the settings of the source ``name``: its own if there is one, then ``options``."""
        if configured is None:
            return Settings(name=name, options=dict(options))
        return Settings(
            name=name,
            region=configured.region,
            languages=configured.languages,
            options={**configured.options, **options},
        )


class Job:
    """The import of one file."""

    def __init__(self, path: Path, order: Order, now: int) -> None:
        """Look at the file.

        Raises:
            Unrecognised: its format cannot be told.
            OtherImport: the state that was named is of another import.
            OSError: it cannot be opened.
        """
        self._path = path
        self._order = order
        with _readable(path), Source(path) as source:
            self.size = source.size
            self.format = order.format or recognise(path, source.head())
        self._recipe = Recipe(self.format, order.settings, order.columns, now)
        how = (order.source, self.format.value, repr(sorted(order.columns.items())))
        key = states.key_of(path, *how)
        self.place = order.state or order.folder / f"{key}.json"
        fresh = State(key=key, file=str(path), source=order.source, format=self.format.value)
        self.state = fresh if order.restart else states.load(self.place, fresh)
        provider = self.format.value if self.format in _PROVIDERS else order.provider
        self.door = Door(
            source=order.source,
            provider=provider or GENERIC,
            settings=order.settings,
            flags=order.flags,
        )

    def report(self, preparer: Preparer, progress: Progress) -> Report:
        """Return what an import would do; nothing is written."""
        reporter = Reporter(
            Report(str(self._path), self.format.value),
            lambda entry: preparer.prepare(entry, self.door),
        )
        with self._steps() as (source, found):
            for step in found:
                reporter.step(step)
                progress(source.position())
        return reporter.done()

    async def run(self, intake: Intake, patience_s: float, progress: Progress) -> State:
        """Take what is not done yet; return the state, which is also kept in its file.

        Raises:
            Transient: Kafka is away for longer than ``patience_s``.
            Damaged: the file cannot be read to its end.
        """
        with self._steps() as (source, found):

            def save(state: State) -> None:
                states.save(self.place, state)
                progress(source.position())

            await running.run(
                found,
                lambda entries: intake.take(entries, self.door),
                self.state,
                save,
                patience_s,
            )
        return self.state

    @contextmanager
    def _steps(self) -> Iterator[tuple[Source, Iterator[Step]]]:
        with _readable(self._path), Source(self._path) as source:
            yield source, steps(source.stream, self._recipe)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"{path}: damaged gzip: {error}") from error
    except Rejected as rejected:
        raise Damaged(f"{path}: {rejected.detail}") from rejected
