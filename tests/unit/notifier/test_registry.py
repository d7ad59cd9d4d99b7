"""The file of sinks: what is wrong is named, and what is broken never replaces what was not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.notifier.registry import Registry, read
from services.notifier.settings import Sinks
from shared.errors import Misconfigured

GOOD = """
[sinks.crm]
kind = "webhook"
url = "https://crm.example.com/"
secrets = ["whsec_a"]
events = ["case.*"]

[people.anna]
email = "anna@example.com"

[writers.email]
kind = "smtp"
"""


def written(path: Path, text: str) -> Path:
    """Write the file so that it looks changed however coarse the clock of the file system is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, "utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


def fine(_: Sinks) -> None:
    """Find nothing wrong."""


def test_a_file_is_read(tmp_path: Path) -> None:
    sinks = read(written(tmp_path / "sinks.toml", GOOD))
    assert sinks.sinks["crm"].follows("case.opened", "acme")
    assert sinks.address("anna", "email") == "anna@example.com"
    assert list(sinks.writers) == ["email"]


def test_no_file_is_no_sink(tmp_path: Path) -> None:
    assert read(tmp_path / "none.toml") == Sinks()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sinks.crm", "sinks.toml:"),
        ("[sinks.crm]\nurl = 'x'", "[sinks.crm]: Object missing required field `kind`"),
        ("[sinks.crm]\nkind = 'webhook'\nurll = 'x'", "[sinks.crm]: Object contains unknown field"),
        ("[sinks.crm]\nkind = 1", "[sinks.crm]: Expected `str`, got `int` - at `$.kind`"),
        ("[sinks.'a.b']\nkind = 'webhook'", "[sinks.a.b]: a name has letters"),
        ("[sinks.crm]\nkind = 'webhook'\nsecrets = ['a', 'b', 'c']", "[sinks.crm]: secrets: 3"),
        ("[sinks.s]\nkind = 'slack'\nsecrets = ['a', ' ']", "[sinks.s]: secrets[1] is empty"),
        ("[sinks.s]\nkind = 'slack'\ntimeout_s = 0", "[sinks.s]: Expected `float` > 0.0"),
        ("[sinks.s]\nkind = 'slack'\ntimeout_s = inf", "[sinks.s]: Expected `float` <= 300.0"),
        ("[sinks.s]\nkind = 'slack'\ntimeout_s = nan", "[sinks.s]: Expected `float` > 0.0"),
        ("[writers.pigeon]\nkind = 'x'", "[writers.pigeon]: is none of email, phone"),
        ("[people]\nanna = 1", "[people]: Expected `object`"),
        ("[sink.crm]\nkind = 'webhook'", "[sink]: only sinks, writers and people"),
        ("sinks = 1", "sinks has to be tables"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path / "sinks.toml", text)
    with pytest.raises(Misconfigured) as caught:
        read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_change_is_taken_over_and_told(tmp_path: Path) -> None:
    path = written(tmp_path / "sinks.toml", GOOD)
    registry, told = Registry(path, fine), list[Sinks]()
    registry.listen(told.append)
    assert not registry.refresh()
    written(path, GOOD.replace("crm", "erp"))
    assert registry.refresh()
    assert list(registry.sinks.sinks) == ["erp"]
    assert told == [registry.sinks]
    written(path, GOOD.replace("crm", "erp") + "\n# a comment\n")
    assert not registry.refresh()
    assert len(told) == 1


@pytest.mark.parametrize("broken", ["[sinks.crm", "[sinks.crm]\nkind = 'nonsense'"])
def test_a_broken_file_replaces_nothing(tmp_path: Path, broken: str) -> None:
    def check(sinks: Sinks) -> None:
        if any(one.kind == "nonsense" for one in sinks.sinks.values()):
            raise Misconfigured("no such kind")

    path = written(tmp_path / "sinks.toml", GOOD)
    registry = Registry(path, check)
    before = registry.sinks
    written(path, broken)
    assert not registry.refresh()
    assert registry.sinks is before
    path.unlink()
    assert not registry.refresh()
    assert registry.sinks is before
    written(path, GOOD.replace("crm", "erp"))
    assert registry.refresh()


def test_it_does_not_start_on_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        Registry(written(tmp_path / "sinks.toml", "[sinks.crm]"), fine)
