"""Rules of the whole tree that no linter checks. An exception names its reason."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[2]
PRODUCT = ("services", "shared", "deploy")
MAX_MODULE = 300
MAX_FUNCTION = 50
TEXT = {".py", ".toml", ".md", ".yaml", ".yml", ".lua", ".jsonl", ".json", ".lock", ".in", ".txt"}
REGISTRIES = re.compile(
    r"\b("
    r"pypi\.org|pythonhosted\.org|repo\d?\.maven\.(apache\.)?org|maven\.org|maven\.google\.com"
    r"|registry\.npmjs\.org|registry\.yarnpkg\.com|crates\.io|proxy\.golang\.org|rubygems\.org"
    r"|docker\.io|registry-1\.docker\.io|ghcr\.io|quay\.io|gcr\.io|public\.ecr\.aws"
    r"|files\.pythonhosted\.org|conda\.anaconda\.org|huggingface\.co"
    r"|[\w-]+\.(jfrog\.io|artifactory\.[\w.]+)"
    r")\b",
    re.IGNORECASE,
)
COMMAND_LINE = ("services/cli.py", "services/commands/")


def modules(*folders: str) -> list[Path]:
    """Return the Python modules below ``folders``."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def source_of(path: Path) -> str:
    return path.read_text("utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(source_of(path))


def code_lines(text: str) -> int:
    """Return the number of lines without blanks and comments, as design/style.md counts."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.split("\n"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the functions of a module with their length."""
    lines = source_of(path).split("\n")
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            yield node.name, code_lines(body)


def names_used(path: Path) -> Iterator[tuple[str, int]]:
    """Yield dotted names such as ``time.sleep`` with their line; aliases are resolved."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            aliases |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            aliases |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
            for one in node.names:
                yield f"{node.module}.{one.name}", node.lineno
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute | ast.Name) and (name := _dotted(node)):
            head, dot, rest = name.partition(".")
            yield aliases.get(head, head) + dot + rest, node.lineno


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def uses(pattern: str, *folders: str) -> list[str]:
    """Return where a name that matches ``pattern`` is used: ``file:line``."""
    wanted = re.compile(pattern)
    return [
        f"{name_of(path)}:{line}"
        for path in modules(*folders)
        for name, line in names_used(path)
        if wanted.fullmatch(name)
    ]


# ---- packages and sizes


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in modules(*PRODUCT, "tests")}
    missing = [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert sorted(missing) == []


@pytest.mark.parametrize("folder", PRODUCT)
def test_every_distributed_package_says_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


def test_no_module_is_longer_than_people_like_to_read() -> None:
    """Except the vocabulary: all events and all metrics stand in one place each, nothing to follow."""
    lengths = {
        name_of(path): code_lines(source_of(path))
        for path in modules(*PRODUCT)
        if name_of(path) not in {"shared/events.py", "shared/metrics.py"}
    }
    assert {name: n for name, n in lengths.items() if n > MAX_MODULE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    found = {
        f"{name_of(path)}:{name}": length
        for path in modules(*PRODUCT)
        for name, length in functions(path)
        if length > MAX_FUNCTION
    }
    assert found == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in modules(*PRODUCT)
        if tree_of(path).body and not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


# ---- what must not be used


def test_tests_do_not_sleep_and_hope() -> None:
    """They poll a condition in a loop that has a deadline. A bench may pace itself, and a pause that
    is itself what a test is about says so: ``# the pause is the point``.
    """
    places = []
    for path in modules("tests"):
        lines = source_of(path).split("\n")
        polling = {
            inner.lineno
            for loop in ast.walk(tree_of(path))
            if isinstance(loop, ast.While)
            for inner in ast.walk(loop)
            if isinstance(inner, ast.Call)
        }
        for name, line in names_used(path):
            meant = "the pause is the point" in lines[line - 1]
            if name == "time.sleep" and line not in polling and not meant:
                places.append(f"{name_of(path)}:{line}")
    assert [place for place in places if not place.startswith("tests/bench/")] == []


def test_services_do_not_print() -> None:
    """Except the command line, whose output is the product."""
    places = uses(r"print|pprint\.pprint|sys\.stdout\.write", "services", "shared")
    assert [place for place in places if not place.startswith(COMMAND_LINE)] == []


def test_the_environment_is_read_in_one_module_and_composition_roots_only() -> None:
    places = uses(r"os\.(environ|getenv|environb)(\..*)?", *PRODUCT)
    files = sorted({place.partition(":")[0] for place in places})
    # The embedded servers also run by themselves, before there is a configuration.
    roots = (*COMMAND_LINE, "shared/config.py", "deploy/embedded/")
    assert [f for f in files if not f.startswith(roots) and not f.endswith("__main__.py")] == []


def test_time_is_asked_for_at_the_edges_only() -> None:
    """Wall time comes from ``shared.clock``: what is decided must be the same at any speed."""
    workers = ("services/ingest", "services/classifier", "services/escalation", "shared/stores")
    found = uses(r"time\.time(_ns)?|datetime\.datetime\.(now|utcnow|today)", *workers)
    # The broker deletes by the time of a record, so that is the real one at any speed.
    assert [place for place in found if "/record_batches.py:" not in place] == []


def test_nothing_connects_when_it_is_imported() -> None:
    """No call of a client's constructor at the top level of a module."""
    clients = re.compile(
        r"(Consumer|Producer|AdminClient|KafkaAdminClient|KafkaProducer|KafkaConsumer|Redis)$"
    )
    found = [
        f"{name_of(path)}:{call.lineno}"
        for path in modules(*PRODUCT)
        for statement in tree_of(path).body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr)
        for call in ast.walk(statement)
        if isinstance(call, ast.Call) and clients.search(_dotted(call.func).rpartition(".")[2])
    ]
    assert found == []


def test_every_suppression_names_its_rule() -> None:
    bare = re.compile(r"#\s*(noqa(?!:\s*[A-Z])|type:\s*ignore(?!\[))")
    found = []
    for path in modules(*PRODUCT, "tests"):
        tokens = tokenize.generate_tokens(io.StringIO(source_of(path)).readline)
        found += [
            f"{name_of(path)}:{token.start[0]}"
            for token in tokens
            if token.type == tokenize.COMMENT and bare.search(token.string)
        ]
    assert found == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the installation's business: pip, jgo and proxies know."""
    folders = [ROOT / name for name in (*PRODUCT, "tests", ".ci")]
    files = [path for folder in folders for path in folder.rglob("*")]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    found = [
        f"{name_of(path)}:{number}"
        for path in sorted(files)
        if path.suffix in TEXT and path.is_file() and path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8", "replace").split("\n"), 1)
        if REGISTRIES.search(line)
    ]
    assert found == []
