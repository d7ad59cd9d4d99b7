"""Makes the writer of a channel of its settings ([writers.CHANNEL] in the file of sinks)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.notifier.customers.writers.google_play import GooglePlayWriter
from services.notifier.customers.writers.meta import MetaWriter
from services.notifier.customers.writers.smtp import SmtpWriter
from services.notifier.customers.writers.twilio import TwilioWriter
from services.notifier.customers.writing import Writer
from services.notifier.sinks.build import Making

_KINDS: Final[Mapping[str, tuple[str, Callable[[Making], Writer]]]] = {
    "smtp": ("email", SmtpWriter.made),
    "twilio": ("phone", TwilioWriter.made),
    "meta": ("social", MetaWriter.made),
    "google_play": ("reviews", GooglePlayWriter.made),
}
"""Kind → the channel that it writes to, and how it is made."""


def writer(making: Making) -> Writer:
    """Return the writer; ``making.name`` is ``customer.CHANNEL``.

    Raises:
        Misconfigured: the kind is unknown or of another channel, or a setting is missing or wrong.
    """
    kind, wanted = making.settings.kind, making.name.rpartition(".")[2]
    if kind not in _KINDS:
        raise making.wrong(f"kind {kind!r} is none of {', '.join(sorted(_KINDS))}")
    channel, make = _KINDS[kind]
    if channel != wanted:
        raise making.wrong(f"kind {kind!r} writes to customers of {channel}, not of {wanted}")
    return make(making)
