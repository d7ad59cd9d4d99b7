"""Who spoke: the labels of switchboards and speech engines → the side somebody is on."""

from __future__ import annotations

import re

from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Role

CUSTOMER_CHANNEL = "customer_channel"
"""Option: the number of the audio channel that the customer speaks on."""

_ROLES = {
    Role.CUSTOMER: "customer caller client enduser user visitor external consumer guest",
    Role.AGENT: "agent humanagent operator representative rep advisor employee staff internal "
    "supervisor callcenteragent",
    Role.BOT: "bot aiagent assistant virtualagent voicebot ivr system automated",
}
_BY_LABEL = {label: role for role, labels in _ROLES.items() for label in labels.split()}
_SEPARATORS = re.compile(r"[\s_-]+")
_ANONYMOUS_LABEL = re.compile(r"(?:SPEAKER[_ ]?)?\d{1,3}|SPEAKER[_ ][A-Z]|[A-Z]", re.IGNORECASE)


def role(label: str | int | None) -> Role:
    """Return the role that a label names; engines that only tell voices apart name none.

    ``CUSTOMER``, ``HUMAN_AGENT``, ``AI_AGENT`` are roles; ``A``, ``0`` and ``SPEAKER_00`` are not.
    """
    if label is None or isinstance(label, int):
        return Role.UNKNOWN
    return _BY_LABEL.get(_SEPARATORS.sub("", label[:64]).casefold(), Role.UNKNOWN)


def is_label(text: str) -> bool:
    """Return whether ``text`` in front of a colon names a speaker, as opposed to being said."""
    text = text.strip()
    return role(text) is not Role.UNKNOWN or _ANONYMOUS_LABEL.fullmatch(text) is not None


def channel_role(channel: int | None, settings: Settings) -> Role:
    """Return the role of whoever speaks on an audio channel, as the source is configured.

    Raises:
        Rejected: the option is no number.
    """
    wanted = settings.option(CUSTOMER_CHANNEL).strip()
    if channel is None or not wanted:
        return Role.UNKNOWN
    if not (wanted.isascii() and wanted.isdigit()):
        raise Rejected(Refusal.BAD_VALUE, f"option {CUSTOMER_CHANNEL}: not a number")
    return Role.CUSTOMER if channel == int(wanted) else Role.AGENT
