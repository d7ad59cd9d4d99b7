"""Normalising: one place where every item is cleaned, redacted, bounded and described.

``normalise(item, settings)`` comes after ``parse`` and before the event is built.
"""

from services.ingest.channels.normalise.near import Fingerprint, fingerprint
from services.ingest.channels.normalise.pipeline import Normalised, normalise
from services.ingest.channels.normalise.redact import Redacted, redact

__all__ = ["Fingerprint", "Normalised", "Redacted", "fingerprint", "normalise", "redact"]
