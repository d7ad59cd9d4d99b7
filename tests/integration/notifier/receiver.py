"""A receiver of webhooks that answers as it is told and writes down what it got."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

OK, FAIL, HANG = 204, 500, 0


class Got(NamedTuple):
    """One request: when it came (wall clock, ms), its id, what its body says, how it is answered."""

    at: int
    webhook_id: str
    body: Any
    status: int

    @property
    def case_id(self) -> str:
        """The case that it is about."""
        return str(self.body["data"]["case_id"])


class Receiver:
    """A context manager. ``answer`` may be changed at any time; what hangs ends with the receiver."""

    def __init__(self, answer: int = OK) -> None:
        self.answer = answer
        self.delay_s = 0.0
        self.log: list[Got] = []
        self._closed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def ids(self) -> list[str]:
        """Return the ids of what it took, in order."""
        return [one.webhook_id for one in list(self.log)]

    def choose(self) -> int:
        """Return how to answer a request."""
        return self.answer

    def took(self, webhook_id: str, body: bytes) -> int:
        """Write a request down, and return how to answer it when it is time to."""
        answer = self.choose()
        now = time.time_ns() // 1_000_000
        self.log.append(Got(now, webhook_id, json.loads(body), answer))
        if answer == HANG or self.delay_s:
            self._closed.wait(None if answer == HANG else self.delay_s)
        return answer or FAIL


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: whoever is killed resets its connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = cast("_Server", self.server).receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = receiver.took(self.headers["webhook-id"], body)
        self.send_response(status)
        if status != OK:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""
