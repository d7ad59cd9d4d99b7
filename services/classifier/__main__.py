"""Composition root of the classifier worker: ``python -m services.classifier``."""

from __future__ import annotations

import os
import sys

from services.classifier import second
from services.classifier.current import Followed
from services.classifier.handler import STAGE, ClassifierHandler
from shared import config, worker
from shared.errors import Exit, Misconfigured
from shared.streams.records import Handler


def build(made: worker.Context) -> Handler:
    """Return the handler with the rules, the model and the second opinion of the settings."""
    settings = made.config.classifier
    current = Followed(settings, made.metrics)
    current.start()
    return ClassifierHandler(made, current, second.build(settings, made.metrics))


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
