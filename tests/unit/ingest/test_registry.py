from __future__ import annotations

import os
import re
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
    [source] = load(_file(tmp_path, SLACK))[0].values()
    assert (source.name, source.provider.name) == ("shop", "slack")
    assert source.credentials.secrets == (b"the-signing-secret",)
    assert source.dedupe_s > source.provider.capability.redelivery_s


def test_no_file_means_no_sources(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == ({}, {})


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
        ('[sources.m]\nprovider = "smtp"', "'recipients' is missing"),
        (SLACK + '[sources.shop.options]\nnope = "1"', "no option 'nope'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    try:
        _, faults = load(_file(tmp_path, text))
    except Misconfigured as error:
        faults = {"*": str(error)}
    [fault] = faults.values()
    assert re.search(complaint, fault)


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-mounted-file\n")
    text = SLACK.replace("the-signing-secret", f"file:{tmp_path / 'secret'}")
    assert load(_file(tmp_path, text))[0]["shop"].credentials.secrets == (b"from-a-mounted-file",)


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
    assert registry.faults.keys() == {"*"}
    assert set(registry.sources) == {"shop", "desk"}
    _change(path, SLACK)
    assert registry.refresh()
    assert registry.faults == {}
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
    assert load(path)[0]["shop"].credentials.secrets == (
        b"a-new-signing-secret",
        b"the-signing-secret",
    )
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="fewer than 8"), editing(path) as sources:
        sources["shop"] = rotated(sources["shop"], "short")
    assert path.read_bytes() == before
    with editing(path) as sources:
        sources["shop"] = finished(sources["shop"])
    assert load(path)[0]["shop"].credentials.secrets == (b"a-new-signing-secret",)
    assert not list(tmp_path.glob(".sources.toml.?*[!k]"))


def test_one_broken_source_concerns_no_other(tmp_path: Path) -> None:
    path = _file(tmp_path, SLACK + SLACK.replace("shop", "desk"))
    registry = Registry(path)
    broken = SLACK.replace("the-signing-secret", "short")
    _change(path, broken + SLACK.replace("shop", "desk") + SLACK.replace("shop", "fresh"))
    assert registry.refresh()
    assert set(registry.sources) == {"shop", "desk", "fresh"}
    assert registry.sources["shop"].credentials.secrets == (b"the-signing-secret",)
    assert registry.faults.keys() == {"shop"}
    other = Registry(path)
    assert set(other.sources) == {"desk", "fresh"}


def test_a_file_that_is_suddenly_gone_or_empty_is_a_slip(tmp_path: Path) -> None:
    path = _file(tmp_path, SLACK)
    registry = Registry(path)
    path.write_text("")
    assert not registry.refresh()
    path.unlink()
    assert not registry.refresh()
    assert set(registry.sources) == {"shop"}
    assert registry.faults
    path.write_text("[sources]")
    assert registry.refresh()
    assert registry.sources == {}


def test_a_secret_in_a_file_of_its_own_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-first-secret")
    path = _file(tmp_path, SLACK.replace("the-signing-secret", f"file:{secret}"))
    registry = Registry(path)
    _change(secret, "the-second-secret")
    assert registry.refresh()
    assert registry.sources["shop"].credentials.secrets == (b"the-second-secret",)
