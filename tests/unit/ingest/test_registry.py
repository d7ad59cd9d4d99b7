from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.ingest.registry import Registry, Sources, load
from services.ingest.source_file import editing, finished, rotated
from shared.errors import Misconfigured

SLACK = '[sources.shop]\nprovider = "slack"\nsecrets = ["the-signing-secret"]\n'


def _file(folder: Path, text: str) -> Path:
    path = folder / "sources.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_source_with_its_provider_and_secret(tmp_path: Path) -> None:
    [source] = load(_file(tmp_path, SLACK)).values()
    assert (source.name, source.provider.name) == ("shop", "slack")
    assert source.credentials.secrets == (b"the-signing-secret",)
    assert source.dedupe_s > source.provider.capability.redelivery_s


def test_no_file_means_no_sources(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[sources.shop]\nprovider = "slak"\nsecrets = ["12345678"]', "did you mean 'slack'"),
        ('[sources.shop]\nprovider = "slack"', "a secret is missing"),
        ('[sources.shop]\nprovider = "slack"\nsecrets = ["short"]', "fewer than 8"),
        ('[sources.shop]\nprovider = "slack"\nsecrets = ["1", "2", "3"]', "at most 2"),
        ('[sources.shop]\nprovider = "slack"\nsecrets = ["file:/none"]', "cannot read /none"),
        ('[sources."a b"]\nprovider = "slack"\nsecrets = ["12345678"]', "A-Z"),
        ("[sources.shop]\nprovidr = 1", "providr"),
        ('[sources.shop]\nprovider = "slack"\nrate = 0\nsecrets = ["12345678"]', "rate"),
        ("[sources.shop", "sources.toml"),
        (SLACK + '[sources.shop.options]\nnope = "1"', "no option 'nope'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        load(_file(tmp_path, text))


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-mounted-file\n")
    text = SLACK.replace("the-signing-secret", f"file:{tmp_path / 'secret'}")
    assert load(_file(tmp_path, text))["shop"].credentials.secrets == (b"from-a-mounted-file",)


def test_a_change_is_taken_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = _file(tmp_path, SLACK)
    registry, seen = Registry(path), list[Sources]()
    registry.listen(seen.append)
    assert not registry.refresh()
    _change(path, SLACK + SLACK.replace("shop", "desk"))
    assert registry.refresh()
    assert set(registry.sources) == {"shop", "desk"} == set(seen[0])
    _change(path, "[sources")
    assert not registry.refresh()
    assert registry.fault
    assert set(registry.sources) == {"shop", "desk"}
    _change(path, SLACK)
    assert registry.refresh()
    assert registry.fault is None
    assert set(registry.sources) == {"shop"}


def _change(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


def test_editing_writes_all_or_nothing_and_for_the_owner_only(tmp_path: Path) -> None:
    path = _file(tmp_path, SLACK)
    with editing(path) as sources:
        sources["shop"] = rotated(sources["shop"], "a-new-signing-secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path)["shop"].credentials.secrets == (
        b"a-new-signing-secret",
        b"the-signing-secret",
    )
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="fewer than 8"), editing(path) as sources:
        sources["shop"] = rotated(sources["shop"], "short")
    assert path.read_bytes() == before
    with editing(path) as sources:
        sources["shop"] = finished(sources["shop"])
    assert load(path)["shop"].credentials.secrets == (b"a-new-signing-secret",)
    assert not list(tmp_path.glob(".sources.toml.?*[!k]"))
