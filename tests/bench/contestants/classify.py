"""One contestant of the part `classify`, in a process of its own: a task in, what was measured out."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.classifier.training import dataset
from services.classifier.training.dataset import Example
from services.classifier.training.evaluate import Outcome, quality
from shared.events import Classification, FeedbackReceived, Kind, Severity
from tests.bench import procfs
from tests.bench.classify import BATCH, LENGTHS, Growth, Measured, Pass, Scores, Task
from tests.bench.contestants.severities import CONTESTANTS, Contestant
from tests.bench.corpus import HARD, grown
from tests.bench.stats import percentile

VARIANTS = 6
REPEATS = 3


def measure(task: Task) -> Measured:
    """Return what `task.who` does with the texts."""
    examples = dataset.examples_in(Path(task.texts))[: task.count]
    contestant = CONTESTANTS[task.who]()
    feedbacks = [one.feedback() for one in examples]
    passes = [_one_pass(contestant, feedbacks) for _ in range(1 + task.passes)]
    rss = procfs.rss_mib(os.getpid())
    singles = sorted(_seconds(contestant, [one]) * 1e6 for one in feedbacks)
    return Measured(
        about=contestant.about,
        texts=len(examples),
        cold=passes[0],
        later=passes[1:],
        single_p50_us=percentile(singles, 0.5),
        single_p99_us=percentile(singles, 0.99),
        rss_mib=rss,
        growth=_growth(contestant, examples) if task.growth else None,
        quality={name: _scores(contestant, some) for name, some in _labelled(task).items()},
    )


def _one_pass(contestant: Contestant, feedbacks: Sequence[FeedbackReceived]) -> Pass:
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(feedbacks), BATCH):
        contestant.severities(feedbacks[start : start + BATCH])
    spent, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Pass(rate=len(feedbacks) / spent, rate_by_cpu=len(feedbacks) / cpu)


def _seconds(contestant: Contestant, batch: Sequence[FeedbackReceived]) -> float:
    began = time.perf_counter()
    contestant.severities(batch)
    return time.perf_counter() - began


def _growth(contestant: Contestant, examples: Sequence[Example]) -> Growth:
    """Return what long texts cost: English ones by length, and the longest in every language."""
    of_language: dict[str, list[Example]] = defaultdict(list)
    for one in examples:
        of_language[one.lang].append(one)
    english = {length: _long_ms(contestant, of_language["en"], length) for length in LENGTHS}
    others = {
        language: _long_ms(contestant, some, LENGTHS[-1])
        for language, some in sorted(of_language.items())
        if language != "en"
    }
    return Growth(english, {"en": english[LENGTHS[-1]], **others})


def _long_ms(contestant: Contestant, examples: Sequence[Example], characters: int) -> float:
    """Return the median over texts of `characters`, made of `examples`, of their best milliseconds."""
    texts = [one.text for one in examples]
    step = max(1, len(texts) // VARIANTS)
    feedbacks = [
        msgspec.structs.replace(examples[0].feedback(), text=grown(texts, characters, start * step))
        for start in range(VARIANTS)
    ]
    contestant.severities(feedbacks)
    best = [min(_seconds(contestant, [one]) for _ in range(REPEATS)) for one in feedbacks]
    return statistics.median(best) * 1e3


def _labelled(task: Task) -> dict[str, list[Example]]:
    sets = {"hard slices": dataset.examples_in(HARD)}
    if task.development:
        sets = {"development": dataset.development(dataset.DATA)} | sets
    return sets


def _scores(contestant: Contestant, examples: Sequence[Example]) -> dict[str, Scores]:
    found = contestant.decoded([one.feedback() for one in examples])
    return {name: _of(examples, severities) for name, severities in found.items()}


def _of(examples: Sequence[Example], severities: Sequence[Severity]) -> Scores:
    figures = quality(
        [
            Outcome(one, Classification(severity=severity, kind=Kind.OTHER, confidence=0.0))
            for one, severity in zip(examples, severities, strict=True)
        ]
    )
    return Scores(
        figures.texts, figures.macro_f1, figures.within, figures.recall, figures.precision
    )


if __name__ == "__main__":
    done = measure(msgspec.json.decode(sys.argv[1], type=Task))
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
