from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.embedded import jars as module
from deploy.embedded.jars import JarCache, JarError, cache_dir, needed_jars
from deploy.embedded.lock import Jar
from deploy.embedded.maven import MavenError

CONTENT = b"the jar"
JAR = Jar("org.example:thing:1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Repository:
    """Serves one content for every coordinate, after failing a number of times."""

    def __init__(self, content: bytes = CONTENT, failures: int = 0) -> None:
        self.content = content
        self.failures = failures
        self.asked: list[str] = []

    def download(self, coordinate: str, scratch: Path) -> Path:
        self.asked.append(coordinate)
        if len(self.asked) <= self.failures:
            raise MavenError("connection reset")
        scratch.mkdir(parents=True)
        path = scratch / "some.jar"
        path.write_bytes(self.content)
        return path


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_BACKOFF_S", 0.0)


def test_the_second_time_asks_nobody(tmp_path: Path) -> None:
    repository = Repository()
    cache = JarCache(tmp_path / "new", repository.download)
    first = cache.ensure([JAR])
    assert cache.ensure([JAR]) == first
    assert first[0].read_bytes() == CONTENT
    assert repository.asked == [JAR.coordinate]
    assert list((tmp_path / "new").iterdir()) == list(first)


@pytest.mark.parametrize("damage", [b"", b"the j", b"THE jar"])
def test_a_damaged_jar_is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    cache = JarCache(tmp_path, Repository().download)
    (path,) = cache.ensure([JAR])
    path.write_bytes(damage)
    cache.ensure([JAR])
    assert path.read_bytes() == CONTENT


def test_a_wrong_download_names_the_jar_both_sums_and_keeps_nothing(tmp_path: Path) -> None:
    wrong = b"evil"
    cache = JarCache(tmp_path, Repository(wrong).download)
    with pytest.raises(JarError) as caught:
        cache.ensure([JAR])
    for part in (JAR.coordinate, JAR.sha256, hashlib.sha256(wrong).hexdigest()):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    repository = Repository(failures=4)
    JarCache(tmp_path, repository.download).ensure([JAR])
    assert len(repository.asked) == 5


def test_a_network_that_stays_away_is_named_with_the_fix(tmp_path: Path) -> None:
    cache = JarCache(tmp_path, Repository(failures=99).download)
    with pytest.raises(JarError, match=r"org\.example:thing:1\.0.*connection reset.*jars fetch"):
        cache.ensure([JAR])


def test_compile_time_jars_go_and_the_log_bridge_comes() -> None:
    closure = ["org.apache.logging.log4j:log4j-core:2.9", "org.scala-lang:scala-reflect:2.13"]
    assert needed_jars(closure) == [closure[0], "org.apache.logging.log4j:log4j-slf4j-impl:2.9"]


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("TOCSIN_CACHE_DIR", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "tocsin"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_dir() == tmp_path / "x" / "tocsin"
    monkeypatch.setenv("TOCSIN_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
