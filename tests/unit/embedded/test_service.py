from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.process import Command
from deploy.embedded.service import EmbeddedService, StartError


class Scripted(EmbeddedService):
    """Runs one Python program a start; answers when it logged "up"."""

    name = "scripted"

    def __init__(self, data_dir: Path, *programs: str, deadline_s: float = 30.0) -> None:
        super().__init__(data_dir, 0, deadline_s)
        self._programs: Iterator[str] = iter(programs)
        self.ports: list[int] = []

    def _command(self, port: int, pass_fds: tuple[int, ...]) -> Command:
        self.ports.append(port)
        argv = [sys.executable, "-uc", next(self._programs)]
        return Command(argv, self.log_path, pass_fds=pass_fds)

    def _answers(self) -> bool:
        return self.log_path.exists() and "up" in self.log_path.read_text()


UP = "print('up'); import time; time.sleep(60)"
TAKEN = "raise SystemExit('bind: Address already in use')"


def test_another_port_is_tried_when_one_is_snatched(tmp_path: Path) -> None:
    with Scripted(tmp_path, TAKEN, UP) as service:
        assert service.ports[0] != service.ports[1] == service.port


def test_it_gives_up_on_ports_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"again and again.*\n.*Address already"):
        Scripted(tmp_path, *[TAKEN] * 5).start()


def test_death_and_silence_show_the_log_and_leave_nothing_claimed(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ended with code 1.*\n(.*\n)*.*no such disk"):
        Scripted(tmp_path, "raise SystemExit('no such disk')").start()
    silent = Scripted(tmp_path, "import time; time.sleep(60)", deadline_s=0.5)
    with pytest.raises(StartError, match=r"did not answer within 0\.5 s"):
        silent.start()
    assert not silent.alive


def test_the_port_and_process_are_unknown_before_the_start(tmp_path: Path) -> None:
    service = Scripted(tmp_path)
    for attribute in ("port", "pid"):
        with pytest.raises(RuntimeError, match="start"):
            getattr(service, attribute)
    service.kill()
    service.stop()
