"""The doors for mail servers: SMTP and LMTP, on ports of their own, as one service of the process.

They are meant for mail servers of our own, which know the world's mail: there is no relaying, no
login, no spam filter. 250 means that Kafka has the mail; 451 that it must be sent again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial

import structlog

from services.ingest.sources.smtp_house import House
from services.ingest.sources.smtp_session import LmtpSession, MailSession
from shared import config

BACKLOG = 512
RECEIVING_S = 3.0
"""When the process stops, so long a mail may still come in before its connection is cut."""

_log = structlog.get_logger(__name__)


class SmtpDoor:
    """Listens on those of the two ports that are set."""

    def __init__(self, settings: config.Ingest, house: House) -> None:
        self._settings = settings
        self._house = house
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address is taken or not ours.
        """
        # It logs the addresses of peers, of senders and of recipients.
        logging.getLogger("mail.log").disabled = True
        host = self._settings.smtp_host
        loop = asyncio.get_running_loop()
        doors = (
            (MailSession, self._settings.smtp_port),
            (LmtpSession, self._settings.lmtp_port),
        )
        for kind, port in doors:
            if port:
                session = partial(kind, self._house)
                server = await loop.create_server(session, host, port, backlog=BACKLOG)
                self._servers.append(server)
                _log.info("listening for mail", protocol=kind.protocol, host=host, port=port)

    async def drain(self, timeout_s: float) -> None:
        """Take no more mail; what has arrived is kept and answered, the rest is told to come again."""
        for server in self._servers:
            server.close()
        for guest in tuple(self._house.guests):
            guest.leave()
        await self._empty(min(timeout_s, RECEIVING_S))
        for guest in tuple(self._house.guests):
            guest.stop_receiving()
        await self._empty(timeout_s - RECEIVING_S)

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            server.close()
        for guest in tuple(self._house.guests):
            guest.cut()

    async def _empty(self, timeout_s: float) -> None:
        if self._house.guests and timeout_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._house.empty.wait(), timeout_s)
