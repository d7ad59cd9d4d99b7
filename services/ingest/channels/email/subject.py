"""Subjects: is this a reply, a forwarded message, or the begin of something?"""

from __future__ import annotations

import enum
import re

_PREFIX = re.compile(
    r"\s*(?:\[[^\]\s]{1,40}\]\s*)?"
    r"(?:(?P<reply>re|aw|antw|sv|vs|res|rif|odp|ynt|atb|回复|回覆|答复|返信|答覆)"
    r"|(?P<forward>fwd?|fw|wg|tr|rv|enc|vl|doorst|vb|i|pd|ilt|转发|轉寄|転送))"
    r"(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：]",
    re.IGNORECASE,
)
_AUTOMATIC = re.compile(
    r"\s*(?:out of (?:the )?office|automatic reply|auto(?:matic)?[- ]?(?:reply|response)\b|"
    r"automatische antwort|abwesenheits|réponse automatique|absence du bureau|"
    r"respuesta automática|resposta automática|risposta automatica|automatisch antwoord|"
    r"autosvar|automatyczna odpowiedź|автоответ|自动回复|自動回覆|自動返信|자동 ?회신|"
    r"otomatik yanıt)",
    re.IGNORECASE,
)


class Kind(enum.Enum):
    """What the subject says about the message."""

    FIRST = "first"
    REPLY = "reply"
    FORWARD = "forward"


def kind(subject: str) -> Kind:
    """Return what the first prefix of ``subject`` says."""
    match = _PREFIX.match(subject)
    if match is None:
        return Kind.FIRST
    return Kind.REPLY if match["reply"] else Kind.FORWARD


def looks_automatic(subject: str) -> bool:
    """Return whether out-of-office programs write such subjects: a weak sign, people do too."""
    return _AUTOMATIC.match(subject) is not None
