"""The linear model: exported weights, run without the library that trained them.

A text scores, for each output, ``W/|W| + C/|C| + F + bias``: the weights of its terms (words and pairs)
times their inverse document frequency, over the Euclidean length of those frequencies; the same of the
pieces of its words; and the weights of its features (rules that hit, the channel). The pieces of a word
depend on the word alone, so their sum is computed once a word and remembered: a text costs a look-up a
word, a gather and a sum. Weights are int8 with one scale an output.

The file is an ``.npz`` that is read without pickle; ``services/classifier/training`` writes it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classifier.severity.terms import Terms, pieces
from services.classifier.severity.terms import pairs as neighbours
from shared.errors import Misconfigured
from shared.events import Kind, Reason, Severity

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.int8]
Ints: TypeAlias = NDArray[np.intp]

SEVERITIES: Final = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
KINDS: Final = tuple(Kind)
REASONS: Final = tuple(Reason)
OUTPUTS: Final = len(SEVERITIES) + len(KINDS) + len(REASONS) + 1
"""Columns: the severities, the kinds, the reasons, the sentiment."""

_KIND: Final = len(SEVERITIES)
_REASON: Final = _KIND + len(KINDS)
_SENTIMENT: Final = _REASON + len(REASONS)
FORMAT: Final = 1
_REMEMBERED: Final = 60_000
"""Words whose sums are kept; some 15 MB."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a training: its rows, licence and content hash."""

    name: str
    rows: int
    sha256: str
    licence: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is and what it came from.

    ``temperatures`` divide the severity scores by channel; ``costs[actual][chosen]`` is what a wrong
    severity costs; ``reference`` holds how known words and urgency were distributed among the training
    texts, in ten bins; ``corrections`` names the corrections by people that are in it.
    """

    format: int
    features: list[str]
    temperatures: dict[str, float]
    costs: list[list[float]]
    languages: dict[str, int]
    sources: list[Source]
    rules_version: str
    seed: int
    reference: dict[str, list[float]] = {}
    corrections: list[str] = []
    libraries: dict[str, str] = {}


class Table(NamedTuple):
    """Weights of one vocabulary: int8 rows, the scale of each output, the frequencies."""

    names: list[str]
    weights: Bytes
    scale: Floats
    idf: Floats


class Scores(NamedTuple):
    """Probabilities and scores of a batch, a row a text.

    ``severity`` sums to one a row, ``kind`` too; ``reasons`` are independent; ``sentiment`` runs from
    -1 to 1; ``known`` is the share of the words that the training texts held (0 to 1).
    """

    severity: Floats
    kind: Floats
    reasons: Floats
    sentiment: Floats
    known: Floats


class Model:
    """Weights ready to be applied; the same text gives the same scores in any batch.

    Args:
        content: the model file.

    Raises:
        Misconfigured: not a model file, or of another format.
    """

    def __init__(self, content: bytes) -> None:
        self.version = hashlib.blake2b(content, digest_size=6).hexdigest()
        self.manifest, self._terms, self._pieces, self._weights, self._bias = _parsed(content)
        self._columns = {name: number for number, name in enumerate(self.manifest.features, 1)}
        self._features = np.vstack([np.zeros((1, OUTPUTS), np.float32), self._weights])
        self._row_of_term = {name: row for row, name in enumerate(self._terms.names, 1)}
        self._row_of_pair = {
            (name.partition(" ")[0], name.partition(" ")[2]): row
            for name, row in self._row_of_term.items()
            if " " in name
        }
        self._row_of_piece = {name: row for row, name in enumerate(self._pieces.names)}
        self._pairs = _weighted(self._terms)
        self._words = _Words(self._vector)

    def column(self, feature: str) -> int:
        """Return the number of a feature, 0 for one that the model does not know."""
        return self._columns.get(feature, 0)

    def score(
        self,
        texts: Sequence[Terms],
        features: Sequence[Sequence[int]],
        channels: Sequence[str],
    ) -> Scores:
        """Return the scores of a batch; ``features`` are columns (``column``), a list a text."""
        raw, known = self._raw(texts, features)
        temperatures = self.manifest.temperatures
        heat = np.array([temperatures.get(one, 1.0) for one in channels], np.float32)
        return Scores(
            severity=softmax(raw[:, :_KIND] / heat[:, None]),
            kind=softmax(raw[:, _KIND:_REASON]),
            reasons=_sigmoid(raw[:, _REASON:_SENTIMENT]),
            sentiment=np.tanh(raw[:, _SENTIMENT]),
            known=known,
        )

    def weights_of(self, text: Terms) -> tuple[list[str], Floats]:
        """Return the words and pairs of ``text``, and what each adds to the scores of the severities."""
        rows = [self._words[word] for word in text.words]
        vectors = self._words.matrix[rows]
        pairs = [(pair, row) for pair in neighbours(text) if (row := self._row_of_pair.get(pair))]
        of_pairs = self._pairs[[row for _, row in pairs]]
        long = np.sqrt(vectors[:, OUTPUTS].sum() + of_pairs[:, OUTPUTS].sum()) or 1.0
        fine = np.sqrt(vectors[:, -1].sum()) or 1.0
        words = vectors[:, :_KIND] / long + vectors[:, OUTPUTS + 3 : OUTPUTS + 3 + _KIND] / fine
        names = [*text.words, *(f"{first} {second}" for (first, second), _ in pairs)]
        return names, np.vstack([words, of_pairs[:, :_KIND] / long])

    def weights_of_features(self, columns: Sequence[int]) -> Floats:
        """Return what each feature adds to the scores of the severities, a row a feature."""
        return self._features[list(columns), :_KIND]

    def _raw(
        self, texts: Sequence[Terms], features: Sequence[Sequence[int]]
    ) -> tuple[Floats, Floats]:
        words = self._words
        words.make_room()
        of_words = _flat([[words[word] for word in text.words] for text in texts])
        get = self._row_of_pair.get
        of_pairs = _flat(
            [
                dict.fromkeys([row for pair in pairwise(text.tokens) if (row := get(pair))])
                for text in texts
            ]
        )
        summed = _sums(words.matrix, of_words)  # read only now: looking words up may have grown it
        pairs = _sums(self._pairs, of_pairs)
        extra = _sums(self._features, _flat(features))
        long = np.sqrt(summed[:, OUTPUTS] + pairs[:, OUTPUTS])
        fine = np.sqrt(summed[:, -1])
        raw = (summed[:, :OUTPUTS] + pairs[:, :OUTPUTS]) / np.maximum(long, 1e-6)[:, None]
        raw += summed[:, OUTPUTS + 3 : -1] / np.maximum(fine, 1e-6)[:, None]
        raw += extra + self._bias
        known = summed[:, OUTPUTS + 2] / np.maximum(summed[:, OUTPUTS + 1], 1.0)
        return raw, np.asarray(known, np.float32)

    def _vector(self, word: str) -> Floats:
        """Return a word's row: its weight, its squared frequency, 1 for a word with letters, 1 for a
        known one, the weight of its pieces and their squared length.
        """
        vector = np.zeros(2 * OUTPUTS + 4, np.float32)
        row = self._row_of_term.get(word)
        if row:
            vector[: OUTPUTS + 1] = self._pairs[row]
        if word[0].isalpha():
            vector[OUTPUTS + 1] = 1.0
            vector[OUTPUTS + 2] = 1.0 if row else 0.0
        get = self._row_of_piece.get
        rows = [found for piece in pieces(word) if (found := get(piece)) is not None]
        if rows:
            idf = self._pieces.idf[rows]
            vector[OUTPUTS + 3 : -1] = (idf @ self._pieces.weights[rows]) * self._pieces.scale
            vector[-1] = float(idf @ idf)
        return vector


class _Words(dict[str, int]):
    """Rows of a matrix that grows with the words that are met."""

    def __init__(self, vector: Callable[[str], Floats]) -> None:
        super().__init__()
        self._vector = vector
        self.matrix = np.zeros((4096, 2 * OUTPUTS + 4), np.float32)

    def __missing__(self, word: str) -> int:
        row = len(self) + 1  # row 0 stays zero
        if row >= len(self.matrix):
            self.matrix = np.vstack([self.matrix, np.zeros_like(self.matrix)])
        self.matrix[row] = self._vector(word)
        self[word] = row
        return row

    def make_room(self) -> None:
        """Forget all words when they have become too many; only between two batches."""
        if len(self) > _REMEMBERED:
            self.clear()
            self.matrix = np.zeros((4096, 2 * OUTPUTS + 4), np.float32)


def _flat(rows: Sequence[Collection[int]]) -> tuple[list[int], list[int]]:
    """Return all rows in one list, each begun by row 0 (which is zero), and where each begins."""
    flat: list[int] = []
    starts: list[int] = []
    for one in rows:
        starts.append(len(flat))
        flat.append(0)
        flat.extend(one)
    return flat, starts


def _sums(matrix: Floats, rows: tuple[list[int], list[int]]) -> Floats:
    """Return the sums of the named rows of ``matrix``, a line a list."""
    flat, starts = rows
    return np.add.reduceat(matrix[flat], starts, axis=0)


def softmax(raw: Floats) -> Floats:
    """Return the probabilities of each row of scores."""
    shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(raw: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-raw)), np.float32)


def _weighted(table: Table) -> Floats:
    """Return the rows of a vocabulary times their frequency, and that squared; row 0 is zero."""
    rows = np.zeros((len(table.names) + 1, OUTPUTS + 1), np.float32)
    rows[1:, :OUTPUTS] = table.weights * table.scale * table.idf[:, None]
    rows[1:, OUTPUTS] = table.idf**2
    return rows


def pack(manifest: Manifest, terms: Table, parts: Table, features: Floats, bias: Floats) -> bytes:
    """Return the content of a model file; the same input gives the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        manifest=np.frombuffer(msgspec.json.encode(manifest), np.uint8),
        terms=np.frombuffer("\n".join(terms.names).encode(), np.uint8),
        term_weights=terms.weights,
        term_scale=terms.scale,
        term_idf=terms.idf.astype(np.float16),
        pieces=np.frombuffer("\n".join(parts.names).encode(), np.uint8),
        piece_weights=parts.weights,
        piece_scale=parts.scale,
        piece_idf=parts.idf.astype(np.float16),
        features=features.astype(np.float32),
        bias=bias.astype(np.float32),
    )
    return file.getvalue()


def _parsed(content: bytes) -> tuple[Manifest, Table, Table, Floats, Floats]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            manifest = msgspec.json.decode(file["manifest"].tobytes(), type=Manifest)
            terms, parts = _table(file, "term"), _table(file, "piece")
            features, bias = file["features"], file["bias"]
    except Exception as error:
        # A file that is damaged or something else can break its readers (zip, zlib, numpy) in any way.
        raise Misconfigured(f"not a model of this program: {error}") from error
    if manifest.format != FORMAT:
        raise Misconfigured(f"a model of format {manifest.format}; this program reads {FORMAT}")
    if bias.shape != (OUTPUTS,) or features.shape != (len(manifest.features), OUTPUTS):
        raise Misconfigured("not a model of this program: features and outputs do not match")
    return manifest, terms, parts, features, bias


def _table(file: Mapping[str, NDArray[np.generic]], name: str) -> Table:
    joined = file[f"{name}s"].tobytes().decode()
    names = joined.split("\n") if joined else []
    weights, scale, idf = (file[f"{name}_{part}"] for part in ("weights", "scale", "idf"))
    if (weights.shape, scale.shape, idf.shape) != (
        (len(names), OUTPUTS),
        (OUTPUTS,),
        (len(names),),
    ):
        raise ValueError(f"{name}s and their weights do not match")
    return Table(names, weights.astype(np.int8), scale.astype(np.float32), idf.astype(np.float32))
