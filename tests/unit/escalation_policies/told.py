"""What the checks say of a document."""

from __future__ import annotations

from services.escalation.policies.loading import examine_text

NOW = 1_795_000_000_000
LADDER = "severities: {high: {ladder: [{to: support, wait: 1h}, %s]}}"


def told(content: str) -> list[str]:
    """Return the errors of a document, as people see them."""
    return [str(one) for one in examine_text("p.yaml", content, NOW).errors]


def warned(content: str) -> list[str]:
    """Return the warnings of a document that has no errors."""
    examined = examine_text("p.yaml", content, NOW)
    assert examined.errors == ()
    return [str(one) for one in examined.warnings]
