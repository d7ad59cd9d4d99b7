"""What does not change the matter must not change the verdict: 60 clear texts in eleven languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import pytest

from services.classifier.severity import Classifier
from services.classifier.severity.schema import LANGUAGES, RANK
from shared.events import Severity
from tests.unit.classifier.factory import feedback
from tests.unit.classifier.urgent_texts import PHRASES, PLAIN, URGENT, Phrases

Change = Callable[[str, Phrases], str]
_WORD: Final = re.compile(r"[^\W\d_]{5,}")
EACH: Final = 0.90
TOGETHER: Final = 0.95
UNRAISED: Final = 0.97


def _misspelt(edit: Callable[[str], str]) -> Change:
    """Return a change that edits the longest word, or nothing where no spaces part the words."""

    def change(text: str, phrases: Phrases) -> str:
        if phrases is PHRASES["ja"]:
            return text
        word = max(_WORD.findall(text), key=len)
        return text.replace(word, edit(word), 1)

    return change


def _swapped(word: str) -> str:
    middle = len(word) // 2
    return f"{word[: middle - 1]}{word[middle]}{word[middle - 1]}{word[middle + 1 :]}"


def _dropped(word: str) -> str:
    middle = len(word) // 2
    return word[:middle] + word[middle + 1 :]


def _quoted(text: str, phrases: Phrases) -> str:
    history = "\n".join(f"> {line}" for line in phrases.history.splitlines())
    return f"{text}\n\n{history}"


CHANGES: Final[dict[str, Change]] = {
    "upper case": lambda text, _: text.upper(),
    "lower case": lambda text, _: text.lower(),
    "two letters swapped": _misspelt(_swapped),
    "a letter dropped": _misspelt(_dropped),
    "emoji": lambda text, _: f"😡 {text} 🙏🙏",
    "greeting and signature": lambda text, of: f"{of.greeting}{text}{of.signature}",
    "quoted history": _quoted,
    "thanks": lambda text, of: text + of.thanks,
}


def _severities(classifier: Classifier, texts: list[tuple[str, str]]) -> list[Severity]:
    """Return what the texts (language, text) are called; they do not say their language."""
    found = classifier.classify_many([feedback(text) for _, text in texts])
    return [one.severity for one in found]


def _lowered(classifier: Classifier, change: Change) -> tuple[list[str], list[str]]:
    """Return the texts that ``change`` lowers, and those that it makes low or undetermined."""
    before = _severities(classifier, [(language, text) for language, _, text in URGENT])
    changed = [(lang, change(text, PHRASES[lang])) for lang, _, text in URGENT]
    after = _severities(classifier, changed)
    lower, low = [], []
    for (_, text), was, now in zip(changed, before, after, strict=True):
        if RANK[now] < RANK[was]:
            lower.append(f"{was} -> {now}: {text}")
        if RANK[now] == 0:
            low.append(f"{was} -> {now}: {text}")
    return lower, low


def test_the_texts_are_of_all_languages() -> None:
    assert {language for language, _, _ in URGENT} == set(LANGUAGES) == set(PHRASES)
    assert len(URGENT) == len({text for _, _, text in URGENT}) == 60


def test_the_texts_are_found_as_they_are(classifier: Classifier) -> None:
    found = _severities(classifier, [(language, text) for language, _, text in URGENT])
    missed = [
        f"{severity} called {was}: {text}"
        for (_, severity, text), was in zip(URGENT, found, strict=True)
        if RANK[was] < RANK[severity]
    ]
    rate = 1 - len(missed) / len(URGENT)
    assert rate >= TOGETHER, f"{rate:.1%} are found:\n" + "\n".join(missed)


@pytest.mark.parametrize("name", CHANGES)
def test_it_lowers_hardly_any(classifier: Classifier, name: str) -> None:
    lower, low = _lowered(classifier, CHANGES[name])
    kept = 1 - len(lower) / len(URGENT)
    assert not low, f"{name} makes these low:\n" + "\n".join(low)
    assert kept >= EACH, f"{name}: {kept:.1%} keep their severity:\n" + "\n".join(lower)


def test_all_changes_together_lower_hardly_any(classifier: Classifier) -> None:
    lowered = {name: _lowered(classifier, change)[0] for name, change in CHANGES.items()}
    rates = {name: f"{1 - len(some) / len(URGENT):.1%}" for name, some in lowered.items()}
    kept = 1 - sum(map(len, lowered.values())) / (len(URGENT) * len(CHANGES))
    assert kept >= TOGETHER, f"{kept:.1%} of all pairs keep their severity; by change: {rates}"


def test_nobody_was_hurt_raises_hardly_any_and_makes_none_urgent(classifier: Classifier) -> None:
    plain = [*PLAIN, *((language, text) for language, _, text in URGENT)]
    before = _severities(classifier, plain)
    after = _severities(classifier, [(lang, text + PHRASES[lang].unhurt) for lang, text in plain])
    raised = {
        f"{was} -> {now}: {text}": (was, now)
        for (_, text), was, now in zip(plain, before, after, strict=True)
        if RANK[now] > RANK[was]
    }
    urgent = [told for told, (was, now) in raised.items() if RANK[was] < 2 <= RANK[now]]
    rate = 1 - len(raised) / len(plain)
    told = f"{rate:.1%} of {len(plain)} texts are not raised:\n" + "\n".join(raised)
    assert urgent == [], told
    assert rate >= UNRAISED, told
