"""The tutorial's provider, exactly as it stands on the page, passes the contract tests.

They run in a process of their own, in which the page's module and golden file lie beside the others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "deploy/docs/tutorials/new-provider.md"
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"python": "providers/telegram.py", "json": "golden/telegram.json"}
PLUGIN = """
from pathlib import Path
from services.ingest.channels import providers
from tests.contract.providers import golden

HERE = Path(__file__).parent
providers.__path__.append(str(HERE / "providers"))
golden.HERE = HERE / "golden"
"""
DEADLINE_S = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the page, and a plugin that lets the tests find them."""
    shutil.copytree(ROOT / "tests/contract/providers/golden", tmp_path / "golden")
    (tmp_path / "providers").mkdir()
    for match in BLOCK.finditer(PAGE.read_text("utf-8")):
        if match["kind"] in FILES:
            (tmp_path / FILES[match["kind"]]).write_text(match["body"], "utf-8")
    (tmp_path / "with_tutorial.py").write_text(PLUGIN, "utf-8")
    return tmp_path


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def _contract(folder: Path) -> subprocess.CompletedProcess[str]:
    options = ("-p", "with_tutorial", "-p", "no:cacheprovider", "-q", "-k", "telegram")
    return _run(folder, "pytest", "tests/contract/providers", *options)


def test_the_page_has_each_file_once() -> None:
    kinds = [match["kind"] for match in BLOCK.finditer(PAGE.read_text("utf-8"))]
    assert [kind for kind in kinds if kind in FILES] == list(FILES)


def test_the_provider_of_the_page_passes_the_contract_tests(folder: Path) -> None:
    done = _contract(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 10


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (
            "providers/telegram.py",
            "check_token(credentials.secrets, hook.header",
            "str(hook.header",
        ),
        ("providers/telegram.py", "message.message_id}", "update.update_id}"),
    ],
)
def test_a_mistake_in_it_is_found(folder: Path, file: str, right: str, wrong: str) -> None:
    text = (folder / file).read_text("utf-8")
    assert right in text
    (folder / file).write_text(text.replace(right, wrong), "utf-8")
    assert _contract(folder).returncode == 1


def test_the_module_of_the_page_is_in_our_style(folder: Path) -> None:
    module = str(folder / "providers/telegram.py")
    for call in (("check", "--ignore", "S106,INP001"), ("format", "--check")):
        done = _run(folder, "ruff", *call, "--config", str(ROOT / "pyproject.toml"), module)
        assert done.returncode == 0, done.stdout + done.stderr
