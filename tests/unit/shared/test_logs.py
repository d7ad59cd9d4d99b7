"""Each configuration of logging runs in a process of its own: it changes the whole process."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from shared import logs
from shared.config import Log
from shared.errors import Misconfigured

PROGRAM = """
import logging, structlog
from shared import logs
from shared.config import Log
logs.configure(Log(level={level!r}, format={format!r}), "classifier")
log = structlog.get_logger("ours")
log.debug("too fine")
log.info("ready", partitions=[0, 1])
log.warning("odd value", value=object)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
logging.getLogger("kafka.conn").info("chatter")
logging.getLogger("kafka.conn").warning("connection %s", "lost")
logging.getLogger("theirs").info("from the standard library\\nsecond line")
"""


def said(level: str, style: str) -> str:
    """Return what a process with this configuration writes to stderr."""
    program = PROGRAM.format(level=level, format=style)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in said("INFO", "json").splitlines()]


def test_every_record_is_one_line_of_json(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines] == [
        "ready",
        "odd value",
        "failed",
        "connection lost",
        "from the standard library\nsecond line",
    ]
    for line in lines:
        assert line["service"] == "classifier"
        assert line["timestamp"].endswith("Z")
        assert line["level"] in {"info", "warning", "error"}


def test_values_are_kept_and_what_is_no_json_becomes_text(lines: list[dict[str, Any]]) -> None:
    assert (lines[0]["partitions"], lines[0]["logger"]) == ([0, 1], "ours")
    assert "object" in lines[1]["value"]


def test_an_exception_carries_its_trace(lines: list[dict[str, Any]]) -> None:
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_libraries_speak_from_warnings_on(lines: list[dict[str, Any]]) -> None:
    assert [line["logger"] for line in lines[3:]] == ["kafka.conn", "theirs"]


def test_the_level_holds_for_all() -> None:
    events = [json.loads(line)["event"] for line in said("error", "auto").splitlines()]
    assert events == ["failed"]


def test_the_console_format_is_for_people() -> None:
    said_ = said("info", "console")
    assert "ready" in said_
    assert not said_.startswith("{")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Log(level="loud"), r"log\.level: 'loud'"),
        (Log(level=""), r"log\.level: ''"),
        (Log(format="xml"), r"log\.format: 'xml'; known: auto, json, console"),
    ],
)
def test_a_wrong_setting_is_named_and_changes_nothing(settings: Log, message: str) -> None:
    import logging

    before = logging.getLogger().handlers[:], logging.getLogger().level
    with pytest.raises(Misconfigured, match=message):
        logs.configure(settings, "x")
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before


def test_what_repeats_itself_is_left_out_and_counted() -> None:
    repeats = logs.RepeatFilter(most=2, window_s=10.0)

    def record(at: float, text: str) -> logging.LogRecord:
        made = logging.LogRecord("librdkafka", logging.WARNING, "", 0, text, None, None)
        made.created = at
        made.msg = {"event": text}
        return made

    passed = [repeats.filter(record(0.0, f"connect to port {port} failed")) for port in range(5)]
    assert passed == [True, True, False, False, False]
    assert repeats.filter(record(1.0, "something else"))
    late = record(11.0, "connect to port 9 failed")
    assert repeats.filter(late)
    assert late.msg == {"event": "connect to port 9 failed", "left_out": 3}
