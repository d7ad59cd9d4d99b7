from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import Misconfigured
from shared.files import write


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(b"one", path)
    write(b"two", path)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.mkdir()
    with pytest.raises(Misconfigured, match=r"out\.jsonl"):
        write(b"one", path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(Misconfigured, match="No such file"):
        write(b"one", tmp_path / "nowhere" / "out.jsonl")
