"""The commands of the page about the API work as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from services.console.api.actions import ACTIONS
from shared.events import Severity
from tests.integration.console.rig import TOKENS, House

pytestmark = [pytest.mark.integration, pytest.mark.source_tree]

PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "api.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_work(house: House) -> None:
    """All but those of the first block, which start the console."""
    case = house.open_case(Severity.HIGH, text="A double charge; I want a refund.")
    env = os.environ | {
        "API": house.stack.console_url + "/api/v1",
        "TOKEN": TOKENS["admin"],
        "CASE": case.case_id,
    }
    starting, *blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    assert "tocsin worker console" in starting
    answers: list[object] = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace("\ncurl", "\necho; curl")],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        answers += [json.loads(line) for line in done.stdout.split("\n") if line]
    assert len(answers) == sum(block.count("curl ") for block in blocks)
    used = set(re.findall(r"\$CASE/([a-z-]+(?:/\d/[a-z]+)?)", "".join(blocks))) - {"timeline"}
    known = {action.path.replace("{number}", "1") for action in ACTIONS}
    assert used
    assert used <= known
