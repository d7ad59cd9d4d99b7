"""TCP ports on 127.0.0.1 for servers that must come back on the same one."""

from __future__ import annotations

import secrets
import socket

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 31_999
_ATTEMPTS = 200


def free_port() -> int:
    """Return a port that nobody listens on now.

    It lies below the ephemeral ranges of Linux (from 32768) and macOS (from 49152). From an
    ephemeral port the kernel may serve an outgoing connection while our server is down; a client
    that keeps trying to reconnect could even be connected to itself, and the server would not get
    its port back. Another process may still take it before its use: servers retry. Raises OSError.
    """
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
        if is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now, as servers do: despite old TIME_WAITs."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True
