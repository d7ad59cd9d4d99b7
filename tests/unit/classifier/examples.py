"""A few dozen labelled texts of our own, enough to train a model in a second."""

from __future__ import annotations

from services.classifier.training.dataset import Dataset, Example
from shared.events import Channel, Kind, Reason, Severity

_SUBJECTS = (
    "heater", "phone", "bank card", "parcel", "kettle", "app", "flight", "router", "sofa", "invoice",
    "washing machine", "tablet",
)  # fmt: skip
_SAID = {
    (Severity.CRITICAL, Kind.COMPLAINT, Reason.SAFETY): "The {} caught fire and my hand was burnt.",
    (
        Severity.HIGH,
        Kind.COMPLAINT,
        Reason.FINANCIAL_LOSS,
    ): "I paid twice for the {} and want a refund.",
    (Severity.MEDIUM, Kind.COMPLAINT, Reason.QUALITY): "The {} is scratched and feels cheap.",
    (Severity.LOW, Kind.PRAISE, Reason.PRAISE): "Lovely {}, thank you, we are very happy!",
    (Severity.LOW, Kind.QUESTION, Reason.QUESTION): "Do you also sell the {} in blue?",
}


def examples() -> list[Example]:
    """Return the examples, five for each subject, one in four from another channel."""
    made = []
    for row, subject in enumerate(_SUBJECTS):
        for column, ((severity, kind, reason), said) in enumerate(_SAID.items()):
            number = row * len(_SAID) + column
            made.append(
                Example(
                    id=f"x{number}",
                    channel=Channel.REVIEWS if number % 4 == 0 else Channel.EMAIL,
                    text=said.format(subject),
                    severity=severity,
                    alt=Severity.CRITICAL if severity is Severity.HIGH and row % 3 == 0 else None,
                    kind=kind,
                    reasons=(reason,),
                )
            )
    return made


def dataset() -> Dataset:
    """Return them as an input of a training."""
    return Dataset(examples(), [])
