"""How severities compare: what may raise a case, and by how much."""

from __future__ import annotations

from typing import Final

from shared.events import Severity

# An undetermined text gets its human review even when the case is already a medium one.
RANK: Final = {
    severity: rank
    for rank, severity in enumerate(
        (
            Severity.LOW,
            Severity.MEDIUM,
            Severity.UNDETERMINED,
            Severity.HIGH,
            Severity.CRITICAL,
        )
    )
}
# Repeated contact never makes a case critical by itself.
_ONE_UP: Final = {
    Severity.LOW: Severity.MEDIUM,
    Severity.MEDIUM: Severity.HIGH,
    Severity.UNDETERMINED: Severity.HIGH,
}


def higher(one: Severity, other: Severity) -> Severity:
    """Return the higher one."""
    return max(one, other, key=RANK.__getitem__)


def one_up(severity: Severity) -> Severity:
    """Return what repeated contact makes of ``severity``."""
    return _ONE_UP.get(severity, severity)
