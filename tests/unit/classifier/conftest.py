"""The bundled classifier, built once, and the folder of public texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier.severity import Classifier
from tests.services import missing


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """Return a classifier with the packaged rules."""
    return Classifier.bundled()


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Return the folder of public labelled texts, which lies beside a checkout."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "public"
    if not (folder / "severity_dev_public.jsonl").is_file():
        missing(f"the data folder is not there: {folder}")
    return folder
