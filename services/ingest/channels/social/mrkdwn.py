"""Slack's mark-up → text (Slack, "Formatting message text").

``&``, ``<`` and ``>`` are escaped; ``<…>`` is a link, a person, a channel or a group, with a label after
``|``. Stars and underscores are left: people type them too.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_SIGNS = {"@": "@", "#": "#", "!": "@"}
_SPECIAL = re.compile(r"!(?:subteam|date)\^")


def to_text(mrkdwn: str) -> str:
    """Return what a reader sees; people without a label stay ids."""
    text = _TOKEN.sub(_token, mrkdwn)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _token(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    sign = _SIGNS.get(target[:1])
    if sign is None or _SPECIAL.match(target):
        return label or target.removeprefix("mailto:").removeprefix("tel:")
    return sign + (label or target[1:]).removeprefix(sign)
