"""A real IMAP server (Dovecot 2.3 of Debian) on the loopback, with a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deploy.embedded.ports import free_port

PASSWORD = "the-password-of-the-mailbox"
NOBODY = 65_534
CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{home}/mail/%n
mailbox_idle_check_interval = 1 secs
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
imap_capability = {capability}
"""


def missing() -> str | None:
    """Return why there is no Dovecot here, None if there is."""
    return None if shutil.which("dovecot") else "dovecot is not on PATH (Debian: dovecot-imapd)"


class Dovecot:
    """Runs until ``stop``; every user exists, with the one password."""

    def __init__(self, *, idle: bool = True) -> None:
        # Its sockets need a short path, its unprivileged processes a folder they may enter.
        self.home = Path(tempfile.mkdtemp(prefix="dc", dir="/tmp"))
        self.home.chmod(0o755)
        self.port = free_port()
        root = os.getuid() == 0
        self._uid = NOBODY if root else os.getuid()
        self._gid = NOBODY if root else os.getgid()
        me = _name_of(os.getuid())
        (self.home / "mail").mkdir()
        os.chown(self.home / "mail", self._uid, self._gid)
        self._config = self.home / "dovecot.conf"
        self._config.write_text(
            CONFIG.format(
                home=self.home,
                internal="dovecot" if root else me,
                group="dovecot" if root else _group_of(os.getgid()),
                login="dovenull" if root else me,
                password=PASSWORD,
                uid=self._uid,
                gid=self._gid,
                port=self.port,
                capability="+" if idle else "IMAP4rev1 UIDPLUS LITERAL+",
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Dovecot:
        """Start it and return when it answers."""
        self._process = subprocess.Popen(["dovecot", "-F", "-c", str(self._config)])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as found:
                    if found.recv(4) == b"* OK":
                        return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self) -> None:
        """End it; its mail stays."""
        if self._process is not None:
            sessions = self._sessions()
            self._process.terminate()
            self._process.wait(10)
            self._process = None
            for pid in sessions:  # they may outlive it as long as they have a client
                _quiet(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]

    def remove(self) -> None:
        """End it and delete its mail."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        """Return what it wrote."""
        path = self.home / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def deliver(self, user: str, name: str, raw: bytes) -> None:
        """Put a message into the mailbox of ``user`` as a mail server does."""
        box = self.home / "mail" / user
        for folder in (box, box / "cur", box / "new", box / "tmp"):
            if not folder.exists():
                folder.mkdir()
                os.chown(folder, self._uid, self._gid)
        path = box / "tmp" / f"{time.time_ns()}.{name}.test"
        path.write_bytes(raw)
        os.chown(path, self._uid, self._gid)
        path.rename(box / "new" / path.name)

    def seen(self, user: str) -> int:
        """Return how many messages of ``user`` are marked as read."""
        names = (self.home / "mail" / user / "cur").glob("*:2,*")
        return sum("S" in name.name.rpartition(":2,")[2] for name in names)

    def renumber(self, user: str) -> None:
        """Have the mailbox numbered anew, as after a restoration."""
        box = self.home / "mail" / user
        for path in box.glob("dovecot*"):
            path.unlink()

    def kill_sessions(self) -> int:
        """Kill the processes that serve logged-in users; return how many there were."""
        sessions = self._sessions()
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        return len(sessions)

    def _sessions(self) -> list[int]:
        assert self._process is not None
        children = _children(self._process.pid)
        return [pid for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "imap"]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if path.exists():
        return [int(child) for child in path.read_text().split()]
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _name_of(uid: int) -> str:
    import pwd

    return pwd.getpwuid(uid).pw_name


def _group_of(gid: int) -> str:
    import grp

    return grp.getgrgid(gid).gr_name


class Cable:
    """A connection to a server that can be cut, or stop to carry anything without a word."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.dead = threading.Event()
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut what is connected now; new connections work."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _quiet(lambda end=end: end.shutdown(socket.SHUT_RDWR))  # type: ignore[misc]

    def close(self) -> None:
        """Let nothing through any more."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            self.connections += 1
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                if not self.dead.is_set():
                    sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            _quiet(lambda end=end: end.shutdown(socket.SHUT_RDWR))  # type: ignore[misc]


def _quiet(call: Callable[[], None]) -> None:
    with suppress(OSError):
        call()
