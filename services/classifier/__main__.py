"""Composition root of the classifier worker: ``python -m services.classifier``."""

from __future__ import annotations

import os
import sys

from services.classifier.handler import STAGE, ClassifierHandler
from services.classifier.severity import Classifier
from shared import config, worker
from shared.errors import Exit, Misconfigured
from shared.streams.records import Handler


def build(made: worker.Context) -> Handler:
    """Return the handler with the bundled rules."""
    return ClassifierHandler(made, Classifier.bundled())


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = config.load(os.environ).config
    except Misconfigured as error:
        sys.stderr.write(f"tocsin: {error}\n")
        return Exit.CONFIG
    return worker.run(STAGE, settings, build)


if __name__ == "__main__":
    sys.exit(main())
