"""Templates of messages to customers: their shape, and the one loader of them.

A line with ``{name?}`` is left out when there is nothing to say; ``{name}`` must be filled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from services.notifier.customers.concerns import GENERAL
from services.notifier.customers.dates import Dates
from shared import yaml_lines
from shared.errors import Misconfigured
from shared.events import MessageKind, Solution

HOLE: Final = re.compile(r"\{(?P<name>\w+)(?P<optional>\?)?\}")
EVERYWHERE: Final = frozenset({"concern", "apology", "signature"})
FIELDS: Final[Mapping[MessageKind, frozenset[str]]] = {
    MessageKind.RECEIPT: frozenset({"due"}),
    MessageKind.PROGRESS: frozenset({"due"}),
    MessageKind.RESOLUTION: frozenset(
        {"outcome", "reason", "root_cause", "prevention", "next_step", "offer"}
    ),
    MessageKind.FOLLOW_UP: frozenset(),
    MessageKind.SURVEY: frozenset(),
    MessageKind.NUDGE: frozenset({"question", "unanswered"}),
}
"""What a template of each kind may name beside ``EVERYWHERE``."""

NEEDED: Final[Mapping[MessageKind, frozenset[str]]] = {
    MessageKind.RECEIPT: frozenset({"concern", "apology", "due"}),
    MessageKind.PROGRESS: frozenset({"concern", "due"}),
    MessageKind.RESOLUTION: frozenset({"concern"}),
    MessageKind.FOLLOW_UP: frozenset({"concern"}),
    MessageKind.SURVEY: frozenset({"concern"}),
    MessageKind.NUDGE: frozenset({"concern", "unanswered"}),
}
"""What every form of each kind must name."""

_PHRASES: Final[Mapping[str, frozenset[str]]] = {
    "apology": frozenset(),
    "closes": frozenset({"closes_on"}),
    "stays_open": frozenset(),
    "offered": frozenset({"solutions"}),
    "agreed": frozenset({"solutions"}),
}
_DATE_FIELDS: Final = frozenset({"day", "month", "year"})
_MOMENT_FIELDS: Final = _DATE_FIELDS | {"weekday", "time", "zone"}

T = TypeVar("T")
Wrong = tuple[yaml_lines.Path, str]
"""Where something is wrong in a file, and what."""
Check = Callable[[T], Iterable[Wrong]]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a misspelt key never goes unnoticed."""


class Forms(_Strict, frozen=True):
    """One message: as mail, as a short text, and as one that everybody can read ("": the short)."""

    subject: str
    body: str
    short: str
    public: str = ""


class Phrases(_Strict, frozen=True):
    """Sentences that only some messages have."""

    apology: str
    closes: str
    stays_open: str
    offered: str
    agreed: str


class Language(_Strict, frozen=True, kw_only=True):
    """All that is said in one language.

    ``joiner`` stands between the sentences of short forms, ``stop`` ends one; ``separator`` is of lists.
    """

    language: str
    dates: Dates
    concerns: dict[str, str]
    solutions: dict[Solution, str]
    phrases: Phrases
    messages: dict[MessageKind, Forms]
    direction: Literal["ltr", "rtl"] = "ltr"
    joiner: str = " "
    stop: str = "."
    separator: str = ", "


class Texts(msgspec.Struct, frozen=True):
    """All languages, by their primary subtag (``de`` of ``de-AT``)."""

    languages: Mapping[str, Language]

    def find(self, tag: str | None, otherwise: str) -> Language:
        """Return the language of a BCP 47 tag, else ``otherwise``, else English."""
        for wanted in (tag or "", otherwise, "en"):
            found = self.languages.get(primary(wanted))
            if found is not None:
                return found
        raise Misconfigured("there are no templates in English")


def primary(tag: str) -> str:
    """Return the language of a BCP 47 tag: ``pt`` of ``pt-BR``."""
    return tag.replace("_", "-").partition("-")[0].lower()


def load(directory: Path | None = None) -> Texts:
    """Read the packaged templates, and over them those of an operator, a whole language a file.

    Raises:
        Misconfigured: a file is wrong; the message names it, the line and the reason.
    """
    found = {one.language: one for one in read_all("templates", Language, check)}
    if directory is not None:
        if not directory.is_dir():
            raise Misconfigured(f"{directory} is no directory of templates")
        own = (_read(one, str(one), Language, check) for one in _files(directory))
        found.update({one.language: one for one in own})
    return Texts(found)


def read_all(package: str, form: type[T], check: Check[T]) -> Iterator[T]:
    """Read all packaged YAML files of a folder beside this module.

    Raises:
        Misconfigured: a file is wrong.
    """
    folder = resources.files(f"services.notifier.customers.{package}")
    for one in _files(folder):
        yield _read(one, f"{package}/{one.name}", form, check)


def check(language: Language) -> Iterator[Wrong]:
    """Yield what is wrong with the templates of a language, and where."""
    for word in GENERAL:
        if not language.concerns.get(word):
            yield ("concerns",), f"{word} is missing"
    for solution in Solution:
        if not language.solutions.get(solution):
            yield ("solutions",), f"{solution} is missing"
    for name, fields in _PHRASES.items():
        yield from _holes(("phrases", name), getattr(language.phrases, name), fields, fields)
    yield from _holes(("dates", "moment"), language.dates.moment, _MOMENT_FIELDS, _MOMENT_FIELDS)
    yield from _holes(("dates", "date"), language.dates.date, _DATE_FIELDS, _DATE_FIELDS)
    for kind in MessageKind:
        forms = language.messages.get(kind)
        if forms is None:
            yield ("messages",), f"{kind} is missing"
        else:
            yield from _forms(kind, forms)


def _forms(kind: MessageKind, forms: Forms) -> Iterator[Wrong]:
    at = ("messages", str(kind))
    yield from _holes((*at, "subject"), forms.subject, frozenset(), frozenset())
    for name in ("body", "short", "public"):
        text = getattr(forms, name)
        if text or name != "public":
            yield from _holes((*at, name), text, FIELDS[kind] | EVERYWHERE, NEEDED[kind])


def _holes(
    at: yaml_lines.Path, text: str, allowed: frozenset[str], needed: frozenset[str]
) -> Iterator[Wrong]:
    named = {hole["name"] for hole in HOLE.finditer(text)}
    for name in sorted(named - allowed):
        yield at, f"{{{name}}} means nothing here; known: {', '.join(sorted(allowed)) or 'none'}"
    for name in sorted(needed - named):
        yield at, f"{{{name}}} is missing"
    if "{" in HOLE.sub("", text) or "}" in HOLE.sub("", text):
        yield at, "a brace that belongs to no {name}"


def _files(folder: Traversable) -> list[Traversable]:
    return sorted(
        (one for one in folder.iterdir() if one.name.endswith((".yaml", ".yml"))),
        key=lambda one: one.name,
    )


def _read(file: Traversable, name: str, form: type[T], check: Check[T]) -> T:
    try:
        content = file.read_text("utf-8")
        node = yaml_lines.compose(content)
        found = msgspec.convert(yaml_lines.parse(content), form)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}: {error}") from error
    except yaml_lines.NotYaml as error:
        raise Misconfigured(f"{name}:{error.place.line}: {error}") from error
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `")
        place = yaml_lines.place_of(yaml_lines.find(node, _path(path)))
        raise Misconfigured(f"{name}:{place.line}: {problem}") from error
    wrong = [
        f"{name}:{yaml_lines.place_of(yaml_lines.find(node, at)).line}: {'.'.join(map(str, at))}: {why}"
        for at, why in check(found)
    ]
    if wrong:
        raise Misconfigured("\n".join(wrong))
    return found


def _path(told: str) -> yaml_lines.Path:
    """Return the path of a complaint such as ``$.messages[...].body`` as far as it is plain."""
    steps: list[str | int] = []
    for key, number in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", told):
        if number == "...":
            break
        steps.append(key or int(number))
    return tuple(steps)
