"""Texts as rows of a sparse matrix, exactly as ``severity.model`` weighs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from services.classifier.severity.terms import Terms, pairs, pieces

Floats = NDArray[np.float32]


class Vocabulary(NamedTuple):
    """The columns: terms, then pieces, then features; and the frequencies of the first two."""

    terms: dict[str, int]
    pieces: dict[str, int]
    features: dict[str, int]
    term_idf: Floats
    piece_idf: Floats

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return len(self.terms) + len(self.pieces) + len(self.features)


def names(text: Terms) -> list[str]:
    """Return the terms of a text as the vocabulary names them."""
    return [*text.words, *(f"{first} {second}" for first, second in pairs(text))]


def vocabulary(
    texts: Sequence[Terms], features: Sequence[Sequence[str]], *, terms_in: int, pieces_in: int
) -> Vocabulary:
    """Return the columns: terms and pieces that stand in at least so many texts, features in two."""
    of_terms = Counter(name for text in texts for name in names(text))
    of_pieces = Counter(
        name for text in texts for name in {one for word in text.words for one in pieces(word)}
    )
    of_features = Counter(name for some in features for name in some)
    kept = sorted(name for name, count in of_terms.items() if count >= terms_in)
    parts = sorted(name for name, count in of_pieces.items() if count >= pieces_in)
    return Vocabulary(
        {name: number for number, name in enumerate(kept)},
        {name: number for number, name in enumerate(parts)},
        {
            name: number
            for number, name in enumerate(
                sorted(n for n, count in of_features.items() if count > 1)
            )
        },
        _idf(len(texts), [of_terms[name] for name in kept]),
        _idf(len(texts), [of_pieces[name] for name in parts]),
    )


def rows(
    vocabulary: Vocabulary, texts: Sequence[Terms], features: Sequence[Sequence[str]]
) -> csr_matrix:
    """Return the texts as a sparse matrix, a row a text."""
    columns: list[int] = []
    values: list[float] = []
    ends = [0]
    of_pieces: dict[str, list[int]] = {}
    for text, some in zip(texts, features, strict=True):
        line = _scaled(_known(vocabulary.terms, names(text)), vocabulary.term_idf, 0)
        parts: list[int] = []
        for word in text.words:
            if word not in of_pieces:
                of_pieces[word] = _known(vocabulary.pieces, pieces(word))
            parts += of_pieces[word]
        line += _scaled(parts, vocabulary.piece_idf, len(vocabulary.terms))
        first = len(vocabulary.terms) + len(vocabulary.pieces)
        line += [(first + column, 1.0) for column in _known(vocabulary.features, some)]
        columns += (column for column, _ in line)
        values += (value for _, value in line)
        ends.append(len(columns))
    matrix = csr_matrix(
        (np.array(values), np.array(columns), np.array(ends)),
        shape=(len(texts), vocabulary.width),
    )
    matrix.sum_duplicates()
    return matrix


def _idf(texts: int, counts: Sequence[int]) -> Floats:
    idf = np.log((1 + texts) / (1 + np.array(counts, np.float64))) + 1
    return idf.astype(np.float16).astype(np.float32)  # as the file keeps it


def _known(numbers: dict[str, int], found: Iterable[str]) -> list[int]:
    return [number for name in found if (number := numbers.get(name)) is not None]


def _scaled(columns: list[int], idf: Floats, first: int) -> list[tuple[int, float]]:
    if not columns:
        return []
    values = idf[columns]
    length = float(np.sqrt((values**2).sum()))
    return [
        (first + column, float(value) / length)
        for column, value in zip(columns, values, strict=True)
    ]
