from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.lock import Jar, LockError, lock_path, read_lock, write_lock

SHA = "ab" * 32
JAR = Jar("org.example:thing_2.13:1.0-rc.1", 12, SHA)


def test_what_is_written_is_read_back_sorted(tmp_path: Path) -> None:
    other = Jar("a.first:jar:1", 1, "0" * 64)
    write_lock(tmp_path / "lock", [JAR, other])
    assert read_lock(tmp_path / "lock") == (other, JAR)


@pytest.mark.parametrize(
    "line",
    [
        f"org.example:thing size=12 sha256={SHA}",
        f"org.example:thing:1.0 size=12 sha256={SHA[:-1]}",
        f"org.example:thing:1.0 size=-2 sha256={SHA}",
        f"org.example:../../thing:1.0 size=12 sha256={SHA}",
        "org.example:thing:1.0",
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "lock"
    lock.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(LockError, match=r"lock:3"):
        read_lock(lock)


def test_an_empty_lock_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("# nothing\n")
    with pytest.raises(LockError, match=r"jars lock"):
        read_lock(tmp_path / "lock")


def test_the_committed_lock_is_one_kafka_with_its_log_bridge_and_no_address() -> None:
    jars = read_lock(lock_path())
    names = [jar.coordinate.split(":") for jar in jars]
    assert {version for group, _, version in names if group == "org.apache.kafka"} == {"4.3.1"}
    artifacts = {artifact: version for _, artifact, version in names}
    assert artifacts["log4j-slf4j-impl"] == artifacts["log4j-core"]
    assert len({jar.filename for jar in jars}) == len(artifacts) == len(jars)
    assert "//" not in lock_path().read_text("utf-8")
