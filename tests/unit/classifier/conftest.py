"""The bundled classifier, built once."""

from __future__ import annotations

import pytest

from services.classifier.severity import Classifier


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """Return a classifier with the packaged rules."""
    return Classifier.bundled()
