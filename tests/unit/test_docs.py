"""What the pages say is so: snippets run, names exist, links lead somewhere, tables equal the code."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click import exceptions

from deploy.demo.tally import Tally
from deploy.docgen import __main__ as docgen
from deploy.docgen.meanings import OUTSIDE, SETTINGS
from deploy.docgen.metrics import declared
from deploy.docgen.providers import way
from services.cli import COMMANDS, cli
from services.ingest.channels import providers
from services.ingest.channels.generic import MAX_ATTRIBUTES
from services.ingest.channels.text import MAX_TEXT
from services.ingest.channels.wire import WireItem
from services.ingest.importing.formats import Format
from services.ingest.registry import Source, configured, read
from services.ingest.sources import admission, answers, body, gate, hooks, http
from services.ingest.sources.smtp_delivery import REPLIES
from services.notifier.callbacks import app as callbacks
from services.notifier.settings import SinkSettings
from shared import config, events, standard_webhooks, topics
from shared.errors import Exit
from shared.events import Severity

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "deploy/docs/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
README = ROOT / "README.md"
CHANNELS = ROOT / "deploy/docs/channels.md"
NOTIFICATIONS = ROOT / "deploy/docs/notifications.md"
FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
RUN_S = 120.0

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT).as_posix())
)


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def blocks(page: Path, *kinds: str) -> list[str]:
    """Return the code blocks of these languages."""
    found = FENCE.finditer(page.read_text("utf-8"))
    return [match["body"] for match in found if match["kind"] in kinds]


def rows(page: Path, head: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is ``head``."""
    lines = iter(page.read_text("utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            break
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def tocsin(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``tocsin`` is the one of this interpreter."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    call = shlex.join([sys.executable, "-m", "services.cli"])
    return subprocess.run(
        ["bash", "-c", f'tocsin() {{ {call} "$@"; }}\n{command}'],
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


# --------------------------------------------------------------------------- snippets


def marked_examples() -> Iterator[tuple[str, str]]:
    """Yield command and expected output of the blocks that are marked as tested."""
    marked = re.compile(r"<!-- tested -->\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in marked.finditer(README.read_text("utf-8")):
        for part in re.split(r"^\$ ", match[1], flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def test_examples_print_what_the_readme_shows(tmp_path: Path) -> None:
    examples = list(marked_examples())
    assert examples
    for command, output in examples:
        done = tocsin(command, tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout == output


@every_page
def test_shell_snippets_are_well_formed(page: Path) -> None:
    for block in blocks(page, "sh"):
        done = subprocess.run(
            ["bash", "-n"], input=block, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@every_page
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = prose(page) + "\n".join(blocks(page, "sh"))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
    assert named <= targets


@every_page
def test_commands_that_are_named_exist(page: Path) -> None:
    for text in CODE.findall(prose(page)):
        if text.startswith("tocsin "):
            check_call(shlex.split(text.replace("…", ""))[1:])


@every_page
def test_command_lines_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line that calls ``tocsin`` is parsed as it would be, but for files, which are not there."""
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _param, _context: value)
    monkeypatch.setattr(click.File, "convert", lambda _self, value, _param, _context: value)
    for block in blocks(page, "sh"):
        for words in calls(block):
            parse(cli, words)


def calls(block: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of ``tocsin`` in a shell snippet."""
    lexer = shlex.shlex(without_comments(block), posix=True, punctuation_chars=";&|<>()\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    skip = False
    for token in (*lexer, "\n"):
        if token.strip(";&|<>()\n"):
            words += [] if skip else [token]
            skip = False
        elif token[0] in "<>":
            skip = True  # what follows is a file
        else:
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words.pop(0)
            if words and words[0] == "tocsin":
                yield words[1:]
            words = []


def without_comments(block: str) -> str:
    """Return a shell snippet without comments and with its continued lines joined."""
    return re.sub(r"(^|\s)#.*$", "", block.replace("\\\n", " "), flags=re.MULTILINE)


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse the arguments of a command as click does, down to the subcommand; nothing is run."""
    try:
        context = command.make_context(command.name, list(words), parent=parent)
    except exceptions.Exit:
        return  # --help
    except exceptions.UsageError as error:
        pytest.fail(f"{words}: {error.format_message()}")
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]  # click has no other way to them
        found = command.get_command(context, rest[0]) if rest else None
        assert found is not None, words
        parse(found, rest[1:], context)


def check_call(words: list[str]) -> None:
    """Fail when a word that stands for a subcommand or an option is not one."""
    command: click.Command = cli
    options = options_of(command)
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            assert word in options, f"{word} in {words}"
            skip = not options[word]
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"{word} in {words}"
            command, options = found, options | options_of(found)


def options_of(command: click.Command) -> dict[str, bool]:
    """Return the options of a command, with whether each is a flag."""
    return {
        name: parameter.is_flag
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }


FILES = {
    "reviews.csv": "Review ID,Comment,Stars,Date\n7,The app logs me out.,2,2026-03-01\n",
    "key.json": '{"type": "service_account"}',
}
"""What the snippets that are run find in their folder."""


@pytest.mark.parametrize("page", [README, CHANNELS, NOTIFICATIONS], ids=lambda page: page.name)
def test_snippets_that_are_marked_run(page: Path, tmp_path: Path) -> None:
    marked = re.compile(r"<!-- run -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = marked.findall(page.read_text("utf-8"))
    assert found
    for number, snippet in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in FILES.items():
            (folder / name).write_text(text, "utf-8")
        done = tocsin(f"set -e -o pipefail\n{snippet}", folder)
        assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------- names


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


@every_page
def test_settings_exist(page: Path) -> None:
    known = config.dotted(config.Config())
    text = page.read_text("utf-8")
    sections = "|".join({name.partition(".")[0] for name in known if "." in name})
    named = set(re.findall(rf"`(?:{sections})\.(?!py`|toml`)[a-z_]+`", text))
    named |= set(re.findall(rf"--set ((?:{sections})\.[a-z_]+)=", text))
    carried = {topic.name for topic in topics.ALL} | set(events.CaseEventKind)
    assert {name.strip("`") for name in named} - carried <= known.keys()
    variables = set(re.findall(r"\bTOCSIN_[A-Z_]+[A-Z]\b", text)) - OUTSIDE.keys()
    for variable in variables:
        name = variable.removeprefix("TOCSIN_").lower().replace("__", ".")
        assert name in known or name.removesuffix("_file") in known, variable
    assert OUTSIDE.keys() == config.RESERVED


@every_page
def test_metrics_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(r"\b(?:tocsin|kafka_consumergroup)_[a-z_]+\b", text))
    assert named <= declared().keys()


@every_page
def test_tests_that_are_named_exist(page: Path) -> None:
    for file, name in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text("utf-8")):
        path = ROOT / file
        assert path.is_file(), file
        assert not name or f"def {name}(" in path.read_text("utf-8"), f"{file}::{name}"


@every_page
def test_paths_that_are_named_exist(page: Path) -> None:
    folders = ("services/", "shared/", "deploy/", "tests/")
    for text in CODE.findall(prose(page)):
        if text.startswith(folders) and re.fullmatch(r"[\w./-]+", text):
            assert (ROOT / text).exists(), text


# --------------------------------------------------------------------------- tables


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 250


def test_the_table_of_commands_is_that_of_the_command_line(tmp_path: Path) -> None:
    documented = [cells[0].strip("`").removeprefix("tocsin ") for cells in rows(README, "command")]
    assert documented == list(COMMANDS)
    done = tocsin("tocsin --help", tmp_path)
    listed = re.findall(r"^  (\w+)  ", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == documented


def test_the_table_of_statuses_is_that_of_the_door() -> None:
    documented = {int(cells[0]) for cells in rows(README, "status")}
    sources = "".join(
        inspect.getsource(module) for module in (admission, answers, body, gate, http)
    )
    assert documented == {int(code) for code in re.findall(r"\b[245]\d\d\b", sources)}


def test_the_table_of_fields_is_that_of_an_item() -> None:
    text = README.read_text("utf-8").partition("| field | value |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(WireItem.__struct_fields__)
    assert f"up to {MAX_TEXT:,} characters" in text
    assert f"up to {MAX_ATTRIBUTES} scalars" in text


def test_the_tables_of_answers_are_those_of_the_doors() -> None:
    documented = codes(rows(CHANNELS, "status"))
    sources = "".join(
        inspect.getsource(module) for module in (admission, answers, body, gate, hooks)
    )
    assert documented >= {int(code) for code in re.findall(r"Refused\(\s*(\d{3})", sources)} | {200}
    replies = {int(reply[:3]) for reply in REPLIES.values()}
    assert codes(rows(CHANNELS, "reply")) >= replies


def codes(table: list[list[str]]) -> set[int]:
    return {int(code) for cells in table for code in re.findall(r"\d{3}", cells[0])}


def test_the_table_of_a_sources_fields_is_that_of_the_file() -> None:
    text = CHANNELS.read_text("utf-8").partition("| field | meaning | default |")[2]
    documented = re.findall(r"^\| (.+?) \|", text.partition("\n\n")[0], re.MULTILINE)
    names = [name for cell in documented for name in re.findall(r"`(\w+)`", cell)]
    assert names == list(Source.__struct_fields__)


def test_the_table_of_a_sinks_settings_is_that_of_the_file() -> None:
    documented = [cells[0].strip("`") for cells in rows(NOTIFICATIONS, "setting")]
    assert documented == list(SinkSettings.__struct_fields__)


@pytest.mark.parametrize("where", ["page", "file"])
def test_the_examples_of_the_sinks_are_right(where: str, tmp_path: Path) -> None:
    (text,) = blocks(NOTIFICATIONS, "toml")
    if where == "file":
        text = (ROOT / "sinks.toml.example").read_text("utf-8")
    (tmp_path / "sinks.toml").write_text(text, "utf-8")
    key = standard_webhooks.secret(b"k" * 32)
    variables = dict.fromkeys(re.findall(r"env:(\w+)", text), key)
    variables["SLACK_URL"] = "https://hooks.slack.com/services/T/B/x"
    variables["TWILIO_ACCOUNT"] = "AC" + "0" * 32
    exported = "; ".join(f"export {name}={value}" for name, value in variables.items())
    done = tocsin(f"{exported}; tocsin sinks check", tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_table_of_answers_is_that_of_the_call_backs() -> None:
    source = inspect.getsource(callbacks)
    given = {int(code) for code in re.findall(r"Refused\((\d{3})", source)}
    assert codes(rows(NOTIFICATIONS, "status")) == given - {500} | {200, 413}


def test_the_formats_of_the_import_are_described() -> None:
    documented = {
        name for cells in rows(CHANNELS, "format") for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert documented == set(Format)


def test_every_origin_cause_and_reason_is_in_the_page_of_channels() -> None:
    text = CHANNELS.read_text("utf-8")
    origins = {
        name for cells in rows(CHANNELS, "sign") for name in re.findall(r"`(\w+)`", cells[1])
    }
    assert origins == set(events.Origin)
    joined = {"feedback", "repeat_contact", "revision", "deletion", "machine", "own_side"}
    assert joined <= set(events.Cause)
    table = text.partition("| without | `cause` |\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)` (?:/|\|$)", table, re.MULTILINE)) <= joined
    for reason in ("deleted", "own_side", "machine"):
        assert reason in set(events.NoCaseReason)
        assert f"no case: `{reason}`" in table


def test_the_example_of_the_sources_loads(tmp_path: Path) -> None:
    text = (ROOT / "sources.toml.example").read_text("utf-8")
    file = tmp_path / "sources.toml"
    (tmp_path / "secret").write_text("a secret in a file of its own", "utf-8")
    file.write_text(re.sub(r'"file:[^"]*"', f'"file:{tmp_path}/secret"', text), "utf-8")
    sources = {name: configured(name, source) for name, source in read(file).items()}
    assert {way(source.provider) for source in sources.values()} == {"pushed", "pulled", "mail"}
    for field in Source.__struct_fields__:
        assert re.search(rf"^#? ?{field} = |\.{field}\]$", text, re.MULTILINE), field


def test_providers_that_are_named_exist() -> None:
    known = providers.load()
    for page in (README, CHANNELS):
        named = re.findall(r"--provider (\w+)", page.read_text("utf-8"))
        assert named
        assert set(named) - {"PROVIDER"} <= known.keys()


def test_the_report_of_the_demonstration_is_described_in_full() -> None:
    described = {
        name for cells in rows(README, "field") for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert described == set(Tally().report())


def test_every_exit_code_is_described() -> None:
    text = README.read_text("utf-8").partition("Exit codes:")[2].partition("\n\n")[0]
    assert {code.value for code in Exit} <= {int(code) for code in re.findall(r"\b\d+\b", text)}


# --------------------------------------------------------------------------- generated pages


def test_the_generated_pages_are_those_of_the_code() -> None:
    stale = [path.relative_to(ROOT).as_posix() for path in docgen.stale()]
    assert not stale, f"run: python -m deploy.docgen ({', '.join(stale)})"


def test_every_setting_has_a_meaning() -> None:
    assert list(SETTINGS) == list(config.dotted(config.Config()))


def test_the_example_of_the_settings_file_is_complete_and_holds_the_defaults() -> None:
    text = (ROOT / "tocsin.toml.example").read_text("utf-8")
    assert config.load({}, file=ROOT / "tocsin.toml.example").origins == {}
    tree = tomllib.loads(re.sub(r"^#(?! )", "", text, flags=re.MULTILINE))
    flat = {
        f"{name}.{inner}" if isinstance(value, dict) else name: scalar
        for name, value in tree.items()
        for inner, scalar in (value.items() if isinstance(value, dict) else [("", value)])
    }
    assert flat == config.dotted(config.Config())


# --------------------------------------------------------------------------- the classifier's figures

URGENT = {Severity.CRITICAL, Severity.HIGH}
TOLERANCE = 0.03


def test_the_stated_quality_of_the_classifier_is_measured(tmp_path: Path) -> None:
    sample = ROOT / "deploy" / "demo" / "sample.jsonl"
    done = tocsin(f"tocsin classify < {shlex.quote(str(sample))}", tmp_path)
    found: dict[str, str] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        if "severity" in line:
            found.setdefault(line["id"], line["severity"])
    labels = ROOT / "tests" / "unit" / "demo" / "sample_labels.jsonl"
    lines = labels.read_text("utf-8").splitlines()
    pairs = [(label["severity"], found[label["id"]]) for label in map(json.loads, lines)]
    both = sum(wanted in URGENT and given in URGENT for wanted, given in pairs)
    measured = (
        sum(wanted == given for wanted, given in pairs) / len(pairs),
        both / sum(wanted in URGENT for wanted, _ in pairs),
        both / sum(given in URGENT for _, given in pairs),
    )
    text = README.read_text("utf-8").partition("(deploy/docs/classifier.md) still errs")[2]
    count, *stated = (int(number) for number in re.findall(r"\b(\d+)\s(?:labelled|%)", text)[:4])
    assert count == len(pairs)
    assert [number / 100 for number in stated] == pytest.approx(measured, abs=TOLERANCE)
