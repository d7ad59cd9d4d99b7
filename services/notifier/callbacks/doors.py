"""The doors that sinks open, and the way back through them."""

from __future__ import annotations

from typing import Final

import structlog

from services.notifier.callbacks.app import KINDS
from services.notifier.callbacks.heard import Door
from services.notifier.ports import Verdict
from services.notifier.sinks.build import Making
from services.notifier.sinks.outbound import Outbound, target
from shared.errors import Misconfigured

REPLY_S: Final = 5.0
_HEADERS: Final = {"Content-Type": "application/json"}

_log = structlog.get_logger(__name__)


def door(making: Making) -> Door | None:
    """Return the door of a sink; None: it is not called back, or has no secret to prove it with.

    Raises:
        Misconfigured: a secret is missing.
    """
    one = making.settings
    if one.kind not in KINDS or one.disabled or not one.secrets:
        return None
    secrets = tuple(
        making.hidden(f"secrets[{number}]", written).encode()
        for number, written in enumerate(one.secrets)
    )
    return Door(making.name, one.kind, secrets, one.tenants, making.people, making.private)


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
