"""A Redis (or Valkey) on 127.0.0.1 that keeps its data in an append-only file."""

from __future__ import annotations

import socket
from pathlib import Path

from deploy.embedded.ports import HOST
from deploy.embedded.process import Command
from deploy.embedded.redis_server import find_server
from deploy.embedded.service import EmbeddedService

_PROBE_S = 1.0


class EmbeddedRedis(EmbeddedService):
    """A server whose data stays in `data_dir` between starts; `server` overrides the program.

    A crash of the machine may lose the last second of writes, a crash of the server none.
    """

    name = "redis"

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        server: Path | None = None,
        start_deadline_s: float = 30.0,
    ) -> None:
        super().__init__(data_dir, port, start_deadline_s)
        self._server = server

    @property
    def url(self) -> str:
        """What clients connect to: "redis://127.0.0.1:port/0"."""
        return f"redis://{HOST}:{self.port}/0"

    def _command(self, port: int, pass_fds: tuple[int, ...]) -> Command:
        self._server = self._server or find_server()
        settings = {
            "port": str(port),
            "bind": HOST,
            "protected-mode": "yes",  # lets nobody in but from this machine
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
            "logfile": "",
            "daemonize": "no",
        }
        flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return Command(
            argv=[str(self._server), *flags],
            log=self.log_path,
            cwd=self.data_dir,
            pass_fds=pass_fds,
        )

    def _answers(self) -> bool:
        """A server that still reads its file says -LOADING."""
        try:
            with socket.create_connection((HOST, self.port), _PROBE_S) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
