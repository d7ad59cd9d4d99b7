"""Severity of a feedback text: rules and a linear model, with reasons and evidence (pure domain code).

``Classifier`` is the one entry: text in, ``shared.events.Classification`` out.
"""

from services.classifier.severity.classifier import Classifier

__all__ = ["Classifier"]
