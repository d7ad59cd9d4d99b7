"""Whether a sender that has proven itself may bring something now."""

from __future__ import annotations

import math

from services.ingest.registry import Configured
from services.ingest.sources.answers import Refused
from shared.limits import Limits

PAUSED_RETRY_S = 300


def admit(source: Configured, limits: Limits) -> None:
    """Return if ``source`` may bring items now.

    Raises:
        Refused: it is paused (503) or too fast (429); the answer says when to come back.
    """
    if source.source.paused:
        raise Refused(503, "paused", "this source is paused", retry_after_s=PAUSED_RETRY_S)
    wait = limits.wait_s(source.name, source.source)
    if wait > 0:
        text = f"more than {source.source.rate:g} items a second"
        raise Refused(429, "rate_limited", text, retry_after_s=math.ceil(wait))
