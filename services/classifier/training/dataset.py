"""Labelled texts: where they are, what they are, and which belong together.

Three kinds of input: texts of this project in ``texts/`` (with their labels), labels of public texts in
``labels/`` and in the data folder (the texts stay in the data folder), and corrections by people. None
of it is in the sets that only measure (``severity_dev_public.jsonl``, ``tests/data/severity``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from services.classifier.severity.model import Source
from shared.errors import Misconfigured
from shared.events import Channel, FeedbackReceived, Kind, Reason, Severity

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
LABELS: Final = HERE / "labels"
DATA: Final = HERE.parents[3] / "shared" / "data" / "public"
"""Where the data folder lies beside a checkout."""

HARD: Final = HERE.parents[2] / "tests" / "data" / "severity" / "hard_slices.jsonl"
"""Hard texts by kind of difficulty, held out; only in a checkout."""
OURS: Final = "Apache-2.0, written for this project"
PUBLIC: Final = (
    "labels Apache-2.0; texts public domain (US Government), CC BY 4.0 or MIT, not included"
)
CORRECTED: Final = "labels by people who use the product; texts of its customers, not included"
UNKNOWN: Final = "und"
"""The language of a text that nobody told (BCP 47)."""


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What an independent second reader made of a text."""

    severity: Severity
    alt: Severity | None = None
    kind: Kind | None = None
    reasons: tuple[Reason, ...] = ()


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A text with its label. ``alt`` is a second acceptable severity.

    Examples of one ``group`` tell the same story and stay on one side of every split; ``origin`` names
    the file, ``hard`` what makes a text difficult, ``slice`` the held-out set it belongs to.
    """

    id: str
    channel: Channel
    text: str
    severity: Severity
    alt: Severity | None = None
    kind: Kind | None = None
    reasons: tuple[Reason, ...] = ()
    lang: str = "en"
    hard: str | None = None
    group: str | None = None
    slice: str | None = None
    origin: str = ""
    correction: str | None = None
    second: Second | None = None

    @property
    def other(self) -> Severity | None:
        """Return the second acceptable severity: the author's, or else that of a reader who differs."""
        if self.alt is None and self.second is not None and self.second.severity != self.severity:
            return self.second.severity
        return self.alt

    def feedback(self) -> FeedbackReceived:
        """Return the text as the classifier receives it."""
        return FeedbackReceived(
            feedback_id=self.id,
            tenant="training",
            source=self.origin,
            channel=self.channel,
            native_id=self.id,
            record_key=self.id,
            customer_key=self.id,
            received_at=0,
            text=self.text,
            language=None if self.lang == UNKNOWN else self.lang,
        )

    def fold(self, folds: int) -> int:
        """Return the number of the split that the example belongs to, by its group."""
        name = self.group or self.id
        return hashlib.blake2b(name.encode(), digest_size=4).digest()[0] % folds


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """The label of a public text, which is found by file and id."""

    from_file: str
    id: str
    severity: Severity
    kind: Kind
    reasons: tuple[Reason, ...]
    alt: Severity | None = None


class _Text(msgspec.Struct, frozen=True):
    """A row of a public file, as far as it is needed."""

    id: str
    text: str
    channel: Channel
    lang: str = "en"


class _Dev(msgspec.Struct, frozen=True):
    """A row of ``severity_dev_public.jsonl``."""

    id: str
    text: str
    channel: Channel
    severity: Severity
    alt_severity: Severity | None = None
    lang: str = "en"
    hard: str | None = None


class Dataset(msgspec.Struct, frozen=True):
    """Examples, and what each input file was."""

    examples: list[Example]
    sources: list[Source]


Row = TypeVar("Row")


def training(data: Path, extra: Iterable[Path] = ()) -> Dataset:
    """Return everything that a model may be trained on; ``extra`` are files of corrections.

    Each text is there once: as the first input that has it says, or as the last correction of it does.

    Raises:
        Misconfigured: a file is missing or a row is not as it should be; names file and line.
    """
    examples: list[Example] = []
    sources: list[Source] = []
    own = [*sorted(TEXTS.glob("*.jsonl")), data / "severity_authored.jsonl"]
    for path in own:
        rows = list(_rows(path, Example))
        examples += [msgspec.structs.replace(row, origin=path.stem) for row in rows]
        sources.append(_source(path, len(rows), OURS))
    named = data / "severity_labels.jsonl"
    rows = list(_rows(named, Example))
    examples += [msgspec.structs.replace(row, origin=named.stem) for row in rows]
    sources.append(_source(named, len(rows), PUBLIC))
    for path in sorted(LABELS.glob("*.jsonl")):
        found = _labelled(data, list(_rows(path, Label)), path.stem)
        examples += found
        sources.append(_source(path, len(found), PUBLIC))
    for path in extra:
        rows = examples_in(path)
        examples += rows
        sources.append(_source(path, len(rows), CORRECTED))
    return Dataset(_distinct(examples), sources)


def development(data: Path) -> list[Example]:
    """Return the public development set: to tune and report on, never to train on."""
    return [
        Example(
            id=row.id,
            channel=row.channel,
            text=row.text,
            severity=row.severity,
            alt=row.alt_severity,
            lang=row.lang,
            hard=row.hard,
            origin="severity_dev_public",
        )
        for row in _rows(data / "severity_dev_public.jsonl", _Dev)
    ]


def held_out_sets(data: Path | None, extra: Sequence[Path]) -> dict[str, list[Example]]:
    """Return the sets that nothing is trained on, by name."""
    sets = {"development set": development(data or DATA)}
    if HARD.exists():
        sets["hard slices"] = examples_in(HARD)
    return sets | {path.stem: examples_in(path) for path in extra}


def examples_in(path: Path) -> list[Example]:
    """Return the examples of one JSONL file."""
    return [msgspec.structs.replace(row, origin=path.stem) for row in _rows(path, Example)]


def _labelled(data: Path, labels: list[Label], origin: str) -> list[Example]:
    texts: dict[tuple[str, str], _Text] = {}
    for name in sorted({label.from_file for label in labels}):
        texts |= {(name, row.id): row for row in _rows(data / name, _Text)}
    found = []
    for label in labels:
        text = texts.get((label.from_file, label.id))
        if text is None:
            raise Misconfigured(f"{origin}: {label.from_file} has no text {label.id}")
        found.append(
            Example(
                id=label.id,
                channel=text.channel,
                text=text.text,
                severity=label.severity,
                alt=label.alt,
                kind=label.kind,
                reasons=label.reasons,
                lang=text.lang,
                origin=origin,
            )
        )
    return found


def _distinct(examples: list[Example]) -> list[Example]:
    """Return the examples without those whose text was there before; a correction takes its place."""
    seen: dict[str, Example] = {}
    for example in examples:
        text = " ".join(example.text.casefold().split())
        former = seen.setdefault(text, example)
        if example.correction and former is not example:
            seen[text] = _corrected(former, example)
    return list(seen.values())


def _corrected(former: Example, by: Example) -> Example:
    """Return the correction; what it leaves open stays, and the story it belongs to."""
    return msgspec.structs.replace(
        by,
        kind=by.kind or former.kind,
        reasons=by.reasons or former.reasons,
        group=former.group or by.group,
    )


def _rows(path: Path, shape: type[Row]) -> Iterator[Row]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Misconfigured(
            f"{path.name}: {error.strerror}; the data folder is given by --data"
        ) from error
    decoder = msgspec.json.Decoder(shape)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise Misconfigured(f"{path.name}:{number}: {error}") from error


def _source(path: Path, rows: int, licence: str) -> Source:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(name=path.name, rows=rows, sha256=digest, licence=licence)
