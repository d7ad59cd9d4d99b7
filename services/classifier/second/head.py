"""From a sentence's vector to the severities: a linear layer, read from a file without pickle."""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import resources
from typing import Final

import msgspec
import numpy as np

from services.classifier.second.embedding import WIDTH, Floats
from services.classifier.severity import models
from services.classifier.severity.model import SEVERITIES, Source
from shared.errors import Misconfigured

FILE: Final = "encoder.npz"
FORMAT: Final = 1


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a head is and what it came from.

    ``encoder`` is the SHA-256 of the weights whose vectors it was trained on; ``weight`` the share that
    its probabilities have in a blend with the model's, chosen on ``chosen_on`` uncertain texts.
    """

    format: int
    encoder: str
    weight: float
    chosen_on: int
    below: float
    texts: int
    sources: list[Source]
    seed: int
    libraries: dict[str, str] = {}


class Head:
    """The trained layer.

    Args:
        content: the file, as ``pack`` makes it.

    Raises:
        Misconfigured: not such a file, or of another format.
    """

    def __init__(self, content: bytes) -> None:
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                self.about = msgspec.json.decode(file["about"].tobytes(), type=About)
                self._weights: Floats = file["weights"].astype(np.float32)
                self._bias: Floats = file["bias"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise Misconfigured(f"{FILE} is not a head of this program: {error}") from error
        shape = (WIDTH, len(SEVERITIES))
        if self.about.format != FORMAT or self._weights.shape != shape:
            raise Misconfigured(
                f"{FILE} has format {self.about.format}; this program reads {FORMAT}"
            )
        self.version = hashlib.blake2b(content, digest_size=6).hexdigest()

    @classmethod
    def bundled(cls) -> Head:
        """Return the packaged head.

        Raises:
            Misconfigured: it is missing from the installation.
        """
        try:
            return cls(resources.files(models).joinpath(FILE).read_bytes())
        except FileNotFoundError as error:
            raise Misconfigured(f"{FILE} is not in this installation") from error

    def probabilities(self, vector: Floats) -> list[float]:
        """Return the probabilities of the four severities, low first."""
        raw = vector @ self._weights + self._bias
        shares = np.exp(raw - raw.max())
        return [float(share) for share in shares / shares.sum()]


def pack(about: About, weights: Floats, bias: Floats) -> bytes:
    """Return the content of the file; the same input gives the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        about=np.frombuffer(msgspec.json.encode(about), np.uint8),
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
    )
    return file.getvalue()
