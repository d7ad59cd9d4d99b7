"""Mail by SMTP from several connections, as a mail server hands it over."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.data.doors.ledger import Ledger

CONNECTIONS = 12
ATTEMPTS = 12
PAUSE_S = 0.5


class Mail(NamedTuple):
    """One message: ``sender`` "" is the null sender; ``items`` as in ``Written``."""

    ledger: Ledger
    sender: str
    recipient: str
    raw: bytes
    items: dict[str, int]
    again: bool = False


def send_all(port: int, mails: Iterable[Mail], connections: int = CONNECTIONS) -> None:
    """Send ``mails``; what is put off (4xx) is tried again."""
    shared = _Shared(iter(mails))
    with ThreadPoolExecutor(connections) as pool:
        for done in [pool.submit(_send, port, shared) for _ in range(connections)]:
            done.result()


class _Shared:
    def __init__(self, mails: Iterator[Mail]) -> None:
        self._mails = mails
        self._lock = threading.Lock()

    def next(self) -> Mail | None:
        with self._lock:
            return next(self._mails, None)


def _send(port: int, shared: _Shared) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30, local_hostname="mx.example.net") as client:
        while (mail := shared.next()) is not None:
            _deliver(client, mail)


def _deliver(client: smtplib.SMTP, mail: Mail) -> None:
    began = time.monotonic()
    fault = 0
    for attempt in range(ATTEMPTS):
        try:
            client.sendmail(mail.sender, [mail.recipient], mail.raw)
        except smtplib.SMTPRecipientsRefused as refused:
            fault = next(iter(refused.recipients.values()))[0]
        except smtplib.SMTPResponseException as refused:
            fault = refused.smtp_code
        else:
            seconds = time.monotonic() - began
            mail.ledger.settled(mail.items, seconds, attempt, again=mail.again)
            return
        if fault >= 500:
            break
        time.sleep(PAUSE_S)  # the pause is the point: the server asked for it
    mail.ledger.turned_away(str(fault), len(mail.items))
