"""The rules and the model in use: read at the start, and again whenever their files change.

A broken file is refused with its line and reason, and what was in use stays. The exchange happens
between two chunks: every event is classified once, by one version, which it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

import structlog

from services.classifier.severity import Classifier, rules
from services.classifier.severity.classifier import bundled_model
from services.classifier.severity.loading import RuleSource, load
from services.classifier.severity.model import Model
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.following import Stamp, follow, stamp_of
from shared.metrics import Metrics

NO_MODEL = "none"
_log = structlog.get_logger(__name__)


class Current(Protocol):
    """What tells the classifier in use."""

    @property
    def classifier(self) -> Classifier:
        """Return it; the same object until the files change."""


class Fixed:
    """A classifier that never changes."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier


def build(rules_dir: str, model_file: str) -> Classifier:
    """Return the classifier of these settings; empty ones mean what is packaged.

    A rule file in ``rules_dir`` replaces the packaged one of the same name, or is added to them.

    Raises:
        Misconfigured: a file that cannot be read or used; names file, line and reason.
    """
    files: dict[str, RuleSource] = {
        one.name: one for one in resources.files(rules).iterdir() if one.name.endswith(".yaml")
    }
    own = {path.name: path for path in _own(rules_dir)}
    ruleset = load((files | own).values(), checked=lambda file: file.name in own)
    return Classifier(ruleset, model(model_file))


def model(file: str) -> Model | None:
    """Return the model in ``file``; the packaged one if that is empty, None for ``none``.

    Raises:
        Misconfigured: it cannot be read.
    """
    if not file:
        return bundled_model()
    if file == NO_MODEL:
        return None
    try:
        return Model(Path(file).read_bytes())
    except OSError as error:
        raise Misconfigured(f"classifier.model_file {file}: {error.strerror}") from error


class Followed:
    """The classifier of files that may change while the worker runs.

    Raises:
        Misconfigured: the files are not usable at the start.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._seen = self._stamp()
        self.classifier = build(settings.rules_dir, settings.model_file)
        self._tell(self.classifier)
        for result in ("used", "refused"):
            metrics.reloads.labels(result)

    def start(self) -> None:
        """Follow the files for as long as the process lives; does nothing when there are none."""
        if self._settings.rules_dir or self._settings.model_file not in {"", NO_MODEL}:
            follow("rules", self.refresh)

    def refresh(self) -> bool:
        """Look at the files once; return whether another classifier is in use now."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        former = self.classifier
        try:
            made = build(self._settings.rules_dir, self._settings.model_file)
        except Misconfigured as error:
            self._metrics.reloads.labels("refused").inc()
            _log.error("rules refused, the former ones stay", error=str(error))
            return False
        self._metrics.reloads.labels("used").inc()
        self._metrics.model_info.remove(former.model_version, former.rules_version)
        self.classifier = made
        self._tell(made)
        _log.info("rules reloaded", rules=made.rules_version, model=made.model_version)
        return True

    def _tell(self, classifier: Classifier) -> None:
        self._metrics.model_info.labels(classifier.model_version, classifier.rules_version).set(1)

    def _stamp(self) -> tuple[Stamp, ...]:
        folder, file = self._settings.rules_dir, self._settings.model_file
        try:
            own = _own(folder)
        except Misconfigured:
            own = [Path(folder)]  # that it is away is a change like any other, told by ``build``
        return tuple(stamp_of(path) for path in (*own, *([Path(file)] if file else [])))


def _own(folder: str) -> Sequence[Path]:
    if not folder:
        return []
    if not Path(folder).is_dir():
        raise Misconfigured(f"classifier.rules_dir {folder} is not a directory")
    return sorted(Path(folder).glob("*.yaml"))
