"""From a policy file to a checked ``Policy``; every complaint names file, line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import yaml

from services.escalation.domain.calendar import DAYS
from services.escalation.domain.policy import Policy
from services.escalation.policies import document
from services.escalation.policies.checks import NAMING, findings
from services.escalation.policies.forms import days_of
from services.escalation.policies.parts import Problem, Report, TooMuch, dotted
from shared import yaml_lines
from shared.errors import Misconfigured
from shared.events import Struct
from shared.yaml_lines import NotYaml, Place

MAX_BYTES: Final = 1_000_000
MAX_KEPT_BYTES: Final = 800_000
"""A policy is kept whole in one Kafka record."""


class Examined(Struct, frozen=True):
    """A policy file read and checked: the policy, None when there are errors, and all problems."""

    policy: Policy | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return what keeps the policy from being used."""
        return tuple(one for one in self.problems if not one.warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what is doubtful only."""
        return tuple(one for one in self.problems if one.warning)


class Refused(Misconfigured):
    """A policy file has errors; the message has a line for each."""

    def __init__(self, errors: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def load(path: Path, now: int) -> Examined:
    """Return the policy of a file, with warnings.

    Args:
        path: the file.
        now: ms since the epoch; gaps of rotas are looked for from there on.

    Raises:
        Refused: it has errors, all of which the message names.
        Misconfigured: it cannot be read.
    """
    examined = examine(path, now)
    if examined.policy is None:
        raise Refused(examined.errors)
    return examined


def examine(path: Path, now: int) -> Examined:
    """Return what a file holds, and all that is wrong with it.

    Raises:
        Misconfigured: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Misconfigured(f"policy file {path}: {error.strerror}") from error
    report = Report(path.name)
    if len(raw) > MAX_BYTES:
        report.add(Place(1, 1), f"larger than {MAX_BYTES} bytes")
        return Examined(policy=None, problems=report.problems)
    try:
        content = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        report.add(place, "not UTF-8 text")
        return Examined(policy=None, problems=report.problems)
    return examine_text(path.name, content, now)


def examine_text(name: str, content: str, now: int) -> Examined:
    """Return what a document holds, and all that is wrong with it; ``name`` is for the messages."""
    report = Report(name)
    try:
        node = yaml_lines.compose(content)
    except NotYaml as error:
        report.add(error.place, str(error))
        return Examined(policy=None, problems=report.problems)
    try:
        policy = document.read(node, report)
    except TooMuch:
        return Examined(policy=None, problems=report.problems)
    _check(policy, now, node, report)
    if len(msgspec.json.encode(policy)) > MAX_KEPT_BYTES:
        report.add(Place(1, 1), f"the policy takes more than {MAX_KEPT_BYTES} bytes to keep")
    problems = tuple(sorted(report.problems, key=lambda one: (one.line, one.column)))
    examined = Examined(policy=policy, problems=problems)
    return Examined(policy=None, problems=problems) if examined.errors else examined


def _check(policy: Policy, now: int, node: yaml.Node | None, report: Report) -> None:
    """Note what the policy as a whole has wrong.

    Of what could be read in part only, nothing is said that may be a consequence of that.
    """
    broken = frozenset(report.broken)
    names = {str(path[1]) for path in broken if len(path) > 1 and path[0] in NAMING}
    told: set[tuple[Place, str]] = set()
    for path, message, warning in findings(policy, now, names):
        place = yaml_lines.place_of(_find(node, path))
        doubtful = warning and broken
        follows = any(other[: len(path)] == path for other in broken)
        if not doubtful and not follows and (place, message) not in told:
            report.add(place, f"{dotted(path)}: {message}", warning=warning)
            told.add((place, message))


def _find(node: yaml.Node | None, path: yaml_lines.Path) -> yaml.Node | None:
    """Return the part at ``path``, or its nearest known parent; ``mon`` may stand as ``mon-fri``."""
    for step in path:
        found = yaml_lines.child(node, step)
        if found is None and step in DAYS and isinstance(node, yaml.MappingNode):
            found = next((hours for key, hours in node.value if step in days_of(key.value)), None)
        if found is None and not (isinstance(step, int) and isinstance(node, yaml.ScalarNode)):
            break
        node = found or node
    return node
