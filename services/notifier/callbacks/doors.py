"""The doors that the file of sinks opens, and the way back through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from services.notifier.callbacks.app import KINDS
from services.notifier.callbacks.heard import Door
from services.notifier.ports import Verdict
from services.notifier.settings import Sinks
from services.notifier.sinks.outbound import Outbound, target
from shared.errors import Misconfigured

REPLY_S: Final = 5.0
_HEADERS: Final = {"Content-Type": "application/json"}

_log = structlog.get_logger(__name__)


def doors(sinks: Sinks, secret: Callable[[str], str]) -> dict[str, Door]:
    """Return the doors by name: of sinks that are called back and have secrets to prove it with.

    Args:
        secret: returns what a setting of a secret stands for (else ``Misconfigured``).
    """
    return {
        name: Door(
            name,
            one.kind,
            tuple(secret(each).encode() for each in one.secrets),
            one.tenants,
            sinks.people,
            one.allow_private,
        )
        for name, one in sinks.sinks.items()
        if one.kind in KINDS and one.secrets and not one.disabled
    }


class OutboundReplies:
    """Posts by the client of the sinks: the same rules about addresses hold."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def post(self, door: Door, url: str, body: bytes) -> None:
        """Post JSON to where a proven request says; a failure is logged."""
        try:
            to = target(url, allow_private=door.allow_private, what="response_url")
        except Misconfigured as error:
            _log.warning("a message is not changed", sink=door.name, detail=str(error))
            return
        answer = await self._outbound.post(to, body, _HEADERS, REPLY_S)
        if answer.result.verdict is not Verdict.DELIVERED:
            _log.warning("a message is not changed", sink=door.name, detail=answer.result.detail)
