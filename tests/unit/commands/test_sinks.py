"""``tocsin sinks``: all that is wrong at once, nothing secret in the output, and a test that tells."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import cli
from shared import standard_webhooks
from shared.clock import SystemClock

SECRET = standard_webhooks.secret(b"k" * 32)
SLACK = '[sinks.default]\nkind = "slack"\nurl = "https://hooks.slack.com/services/T/B/hush"\n'
POLICY = """
contacts: {anna: [pager], bert: [mail], carl: [away]}
teams: {support: {members: [anna], via: [queue]}}
"""


def tocsin(*words: str, code: int = 0) -> str:
    """Run a command line and return what it wrote."""
    done = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def check(path: Path, *words: str, code: int) -> set[tuple[str, str]]:
    """Return where something is wrong, and what."""
    (told,) = tocsin("sinks", "check", str(path), "--json", *words, code=code).splitlines()
    return {(one["where"], one["what"]) for one in json.loads(told)["problems"]}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the file of sinks is, not yet written."""
    path = tmp_path / "sinks.toml"
    monkeypatch.setenv("TOCSIN_NOTIFIER__SINKS_FILE", str(path))
    return path


def test_one_sink_named_default_reaches_everybody_of_the_packaged_policy(file: Path) -> None:
    file.write_text(SLACK, "utf-8")
    assert check(file, code=0) == set()


def test_without_any_sink_nobody_is_reached(file: Path) -> None:
    file.write_text("", "utf-8")
    assert {where for where, _ in check(file, code=1)} >= {"policy: team-lead", "policy: support"}


def test_everything_that_is_wrong_is_named_at_once(file: Path) -> None:
    file.write_text(
        f"""
        {SLACK}
        [sinks.crm]
        kind = "webhook"
        url = "http://crm.example.com"
        secrets = ["{SECRET}"]
        [sinks.bad]
        kind = "webhook"
        url = "https://crm.example.com"
        secrets = ["env:NOT_THERE"]
        [sinks.fax]
        kind = "fax"
        [sinks.typo]
        kind = "slack"
        urll = "https://hooks.slack.com/x"
        [sinks.extra]
        kind = "slack"
        url = "https://hooks.slack.com/x"
        options = {{ button = "no" }}
        [writers.pigeon]
        kind = "smtp"
        [else]
        """,
        "utf-8",
    )
    found = check(file, code=1)
    expected = {
        "[sinks.crm]": "https",
        "[sinks.bad]": "NOT_THERE",
        "[sinks.fax]": "fax",
        "[sinks.typo]": "urll",
        "[sinks.extra]": "did you mean buttons",
        "[writers.pigeon]": "is none of",
        "[else]": "is none of",
    }
    assert {where for where, _ in found} == expected.keys()
    for where, what in found:
        assert expected[where] in what
    people = tocsin("sinks", "check", str(file), code=1)
    assert "7 errors" in people
    assert SECRET not in people


@pytest.mark.parametrize("text", ["[sinks.x\n", 'sinks = "x"\n[people]\nanna = 1\n'])
def test_a_file_that_is_none(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    assert check(file, code=1)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(Exception, match="cannot read"):
        tocsin("sinks", "check", str(file))


def test_whom_the_policy_wants_told_and_who_is_not(file: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    file.write_text(
        """
        [sinks.away]
        kind = "slack"
        url = "https://hooks.slack.com/x"
        disabled = true
        [sinks.queue]
        kind = "smtp"
        url = "smtp://127.0.0.1:25"
        options = { from = "tocsin@example.com" }
        """,
        "utf-8",
    )
    found = check(file, "--policy", str(policy), code=1)
    told = {(where.removeprefix("policy: "), what) for where, what in found}
    assert {
        ("anna", "via pager: there is no such sink"),
        ("anna", "nothing reaches them"),
        ("bert", "via mail: there is no such sink"),
        ("carl", "via away: the sink is disabled"),
        ("carl", "nothing reaches them"),
        ("support", "via queue: [people.support] has no email"),
    } <= told


def test_the_list_shows_no_secret(file: Path) -> None:
    file.write_text(SLACK + 'secrets = ["hush-hush"]\ndisabled = true\n', "utf-8")
    for words in (("list",), ("list", "--json")):
        output = tocsin("sinks", *words)
        assert "hush" not in output
        assert "hooks.slack.com" in output
        assert "disabled" in output


def test_the_list_shows_hosts_and_no_tokens_that_stand_where_a_host_would(file: Path) -> None:
    file.write_text(
        """
        [sinks.a]
        kind = "apprise"
        url = "tgram://12345:hush/1"
        [sinks.b]
        kind = "apprise"
        url = "pover://user@hush"
        [sinks.c]
        kind = "slack"
        url = "https://[hush"
        [sinks.d]
        kind = "smtp"
        url = "smtp://hush@relay.example:587"
        """,
        "utf-8",
    )
    output = tocsin("sinks", "list")
    assert "relay.example" in output
    assert "hush" not in output
    assert "12345" not in output


def test_the_check_finds_what_the_notifier_would_refuse(file: Path) -> None:
    file.write_text(
        f"""
        {SLACK}
        secrets = ["env:NOT_THERE"]
        [writers.phone]
        kind = "twilio"
        secrets = ["token"]
        options = {{ account = "AC1", zone = "Mars/Olympus" }}
        """,
        "utf-8",
    )
    where = {"[sinks.default]": "secrets[0]: ", "[writers.phone]": "options.zone: "}
    found = dict(check(file, code=1))
    assert found.keys() == where.keys()
    assert all(found[name].startswith(option) for name, option in where.items())


class Receiver(BaseHTTPRequestHandler):
    """Verifies what is posted to it."""

    answer = 200
    verified: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = standard_webhooks.verifying_key(SECRET.encode())
        standard_webhooks.verify(
            [key], lambda name: self.headers.get(name, ""), body, SystemClock().now_ms()
        )
        self.verified.append(body)
        self.send_response(type(self).answer)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep silent."""


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    """Return a receiver and its address."""
    kind = type("One", (Receiver,), {"verified": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kind, f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_test_tells_something_harmless_and_says_what_came_of_it(
    file: Path, receiver: tuple[type[Receiver], str]
) -> None:
    kind, url = receiver
    file.write_text(
        f'[sinks.crm]\nkind = "webhook"\nurl = "{url}"\nsecrets = ["{SECRET}"]\nallow_private = true\n',
        "utf-8",
    )
    assert "delivered" in tocsin("sinks", "test", "crm")
    sent = json.loads(kind.verified[0])
    assert sent["type"] == "notification.inform"
    assert "nothing has happened" in sent["data"]["title"]
    kind.answer = 403
    (told,) = tocsin("sinks", "test", "crm", "--json", code=1).splitlines()
    assert json.loads(told)["verdict"] == "permanent"
    with pytest.raises(Exception, match="there is no sink 'mail'"):
        tocsin("sinks", "test", "mail")
