"""The door of providers, a real intake behind it: every provider's request ends in the log, once.

The bodies are those of the golden files; the signatures are fresh, made by the providers' own libraries
where those can sign. What is signed with keys that have to be fetched over https (Google's, Amazon's)
cannot be sent here: its proof is in tests/contract/providers.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from services.ingest.channels import providers
from services.ingest.registry import Source
from services.ingest.source_file import editing
from shared import topics
from tests.contract.providers import golden
from tests.contract.providers.golden import Case
from tests.data.doors import outlet
from tests.data.doors.house import BURST, RATE, House
from tests.data.doors.sealing import FORM, JSON, SEALED, Letter, Sealed, seal, secret_of
from tests.services import Installation, started, wait_for

pytestmark = pytest.mark.integration

FETCHED = {"google_business", "ses"}
FOLLOWED_S = 3.0
"""A changed file is looked at every second; the rest is for a busy machine."""

_SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
_PUBLIC_KEY = base64.b64encode(
    _SIGNING_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: Any
    body: bytes


def _send(url: str, sealed: Sealed) -> Answer:
    request = urllib.request.Request(url, sealed.body, sealed.headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Hooks:
    """A running intake with one source for each provider, named after it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.folder = folder

    def url(self, source: str) -> str:
        return f"{self.house.url}/v1/hooks/{source}"

    def sealed(
        self,
        provider: str,
        body: bytes,
        content_type: str,
        *,
        source: str = "",
        secret: str | None = None,
    ) -> Sealed:
        letter = Letter(body, content_type, self.url(source or provider), int(time.time()))
        if provider == "sendgrid":
            return _sendgrid(letter, forged=secret is not None)
        return seal(provider, letter, secret)

    def send(self, source: str, sealed: Sealed) -> Answer:
        return _send(self.url(source), sealed)

    def golden(self, provider: str, **how: Any) -> Answer:
        case = _case(provider)
        sealed = self.sealed(provider, case.content(), _type_of(case), **how)
        return self.send(provider, sealed)

    def values(self, topic: topics.Topic) -> list[dict[str, Any]]:
        names = self.house.names
        return [json.loads(raw) for raw in outlet.read(self.house.bootstrap, names.of(topic))]

    def natives(self, source: str) -> Counter[str]:
        events = self.values(topics.FEEDBACK_RECEIVED)
        return Counter(event["native_id"] for event in events if event["source"] == source)

    def change(self, name: str, **fields: Any) -> None:
        with editing(self.house.sources_file) as sources:
            before = sources.get(name) or Source(provider="slack")
            sources[name] = msgspec.structs.replace(before, **fields)

    def command(self, *words: str) -> None:
        sets = [f"--set={name}={value}" for name, value in self.house.settings.items()]
        environ = {name: text for name, text in os.environ.items() if not name.startswith("TOCSIN")}
        subprocess.run(
            [sys.executable, "-m", "services.cli", *sets, "sources", *words],
            cwd=self.folder,
            env=environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
            timeout=60,
        )


def _case(provider: str) -> Case:
    cases = golden.load(provider).cases
    return next(case for case in cases if case.items and not case.unsigned)


def _expected(provider: str) -> set[str]:
    return {json.loads(bytes(item))["native_id"] for item in _case(provider).items}


def _type_of(case: Case) -> str:
    stated = {name.lower(): value for name, value in case.headers.items()}
    return stated.get("content-type", FORM if case.form is not None else JSON)


def _sendgrid(letter: Letter, *, forged: bool) -> Sealed:
    key = ec.generate_private_key(ec.SECP256R1()) if forged else _SIGNING_KEY
    signature = key.sign(str(letter.now).encode() + letter.body, ec.ECDSA(SHA256()))
    return Sealed(
        letter.body,
        {
            "Content-Type": letter.content_type,
            "X-Twilio-Email-Event-Webhook-Timestamp": str(letter.now),
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        },
    )


def _source(provider: str) -> Source:
    cases = golden.load(provider)
    return Source(
        provider=provider,
        secrets=(_PUBLIC_KEY if provider == "sendgrid" else secret_of(provider),),
        region=cases.region,
        options=cases.options,
        rate=RATE,
        burst=BURST,
    )


TRIED = sorted({*SEALED, "sendgrid"})


@pytest.fixture(scope="module")
def redis_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = started(EmbeddedRedis(tmp_path_factory.mktemp("redis")))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hooks(
    kafka: EmbeddedKafka, redis_of_module: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hooks]:
    folder = tmp_path_factory.mktemp("hooks")
    place = Installation(kafka.bootstrap, redis_of_module.url)
    house = House(folder, {name: _source(name) for name in TRIED}, place.settings())
    house.start()
    yield Hooks(house, folder)
    house.stop()


def test_every_provider_that_is_pushed_is_tried() -> None:
    pushed = {name for name, provider in providers.load().items() if provider.parse is not None}
    assert {*TRIED, *FETCHED} == pushed


@pytest.mark.parametrize("provider", TRIED)
def test_a_signed_request_is_in_the_log_once(hooks: Hooks, provider: str) -> None:
    before = hooks.house.counts()
    answer = hooks.golden(provider)
    assert answer.status == 200, answer.body
    wanted = _expected(provider)
    assert hooks.natives(provider) == Counter(wanted)
    again = hooks.golden(provider)
    assert again.status == 200, again.body
    counted = hooks.house.counts() - before
    assert counted["duplicate:exact"] == len(wanted)
    assert hooks.natives(provider) == Counter(wanted)


@pytest.mark.parametrize("provider", TRIED)
def test_a_forged_request_is_turned_away(hooks: Hooks, provider: str) -> None:
    before = hooks.natives(provider)
    letters = len(hooks.values(topics.DEAD_LETTERS))
    wrong = "whsec_" + base64.b64encode(b"not-the-secret").decode()
    answers = [hooks.golden(provider, secret=wrong)]
    if golden.load(provider).covers_body:
        case = _case(provider)
        sealed = hooks.sealed(provider, case.content(), _type_of(case))
        answers.append(hooks.send(provider, Sealed(sealed.body + b" ", sealed.headers)))
    unsigned = Sealed(_case(provider).content(), {"Content-Type": _type_of(_case(provider))})
    answers.append(hooks.send(provider, unsigned))
    nobody = hooks.send("nobody", unsigned)
    assert {answer.status for answer in answers} == {401}
    assert {answer.body for answer in answers} == {nobody.body}  # no telling which sources exist
    assert hooks.natives(provider) == before
    assert len(hooks.values(topics.DEAD_LETTERS)) == letters


@pytest.mark.parametrize("provider", TRIED)
def test_what_is_authentic_and_unreadable_is_a_dead_letter(hooks: Hooks, provider: str) -> None:
    form = provider in {"twilio", "mailgun"}
    content_type = FORM if form else _type_of(_case(provider))
    sealed = hooks.sealed(provider, b"garbled=1" if form else b'{"garbled": ', content_type)
    if provider == "deepgram":  # whose other proof is in the body
        assert "Authorization" in sealed.headers
    answer = hooks.send(provider, sealed)
    assert answer.status == 200, answer.body
    kept = [
        letter
        for letter in hooks.values(topics.DEAD_LETTERS)
        if base64.b64decode(letter["value"]) == sealed.body
    ]
    assert kept
    assert kept[-1]["reason"] in {"bad_json", "missing_field", "bad_value", "unknown_field"}


def test_events_of_the_reference_library(hooks: Hooks) -> None:
    stated = {"source": "/shop", "type": "com.example.said", "subject": "order"}
    data = {"text": "Die Lieferung fehlt.", "author": "jo@example.com"}
    for number, render in enumerate([to_structured_event, to_binary_event]):
        message = render(CloudEvent({**stated, "id": f"sdk-{number}"}, data))
        headers = {**message.headers, "Authorization": f"Bearer {secret_of('cloudevents')}"}
        headers.setdefault("content-type", JSON)
        assert hooks.send("cloudevents", Sealed(message.body, headers)).status == 200
    assert {"/shop#sdk-0", "/shop#sdk-1"} <= set(hooks.natives("cloudevents"))


def test_a_token_of_mailgun_is_good_for_one_body(hooks: Hooks) -> None:
    case = _case("mailgun")
    sealed = hooks.sealed("mailgun", case.content(), FORM)
    assert hooks.send("mailgun", sealed).status == 200
    assert hooks.send("mailgun", sealed).status == 200  # it asks again when our answer got lost
    fields = dict(parse_qsl(sealed.body.decode())) | {"body-plain": "Kündigen Sie alles."}
    stolen = Sealed(urlencode(fields).encode(), sealed.headers)
    assert hooks.send("mailgun", stolen).status == 401


def _status_of(hooks: Hooks, provider: str, **how: Any) -> Callable[[int], bool]:
    return lambda status: hooks.golden(provider, **how).status == status


def test_a_paused_source_is_told_to_come_back(hooks: Hooks) -> None:
    answered = _status_of(hooks, "whisper")
    hooks.change("whisper", paused=True)
    wait_for(lambda: answered(503), "the source is paused", FOLLOWED_S)
    assert int(hooks.golden("whisper").headers["Retry-After"]) > 0
    assert hooks.golden("deepgram").status == 200  # nobody else is
    hooks.change("whisper", paused=False)
    wait_for(lambda: answered(200), "the source is back", FOLLOWED_S)


def test_a_source_that_is_added_is_listened_to(hooks: Hooks) -> None:
    secret = hooks.folder / "new-secret"
    secret.write_text("secret-of-a-new-one")
    body, name = _case("slack").content(), "added"

    def status() -> int:
        given = hooks.sealed("slack", body, JSON, secret="secret-of-a-new-one")
        return hooks.send(name, given).status

    assert status() == 401
    hooks.command("add", name, "--provider", "slack", "--secret-file", str(secret))
    wait_for(lambda: status() == 200, "the source is known", FOLLOWED_S)
    assert hooks.natives(name) == Counter(_expected("slack"))


def test_a_broken_file_changes_nothing(hooks: Hooks) -> None:
    whole = hooks.house.sources_file.read_bytes()
    hooks.house.sources_file.write_bytes(whole + b"[sources.oops\n")
    errors = hooks.folder / "ingest-0.log"
    wait_for(lambda: "not taken over" in errors.read_text(), "it was looked at", FOLLOWED_S)
    assert hooks.golden("slack").status == 200
    hooks.house.sources_file.write_bytes(whole)


class _Sender(threading.Thread):
    """Sends with one secret until it is told to stop; keeps what it was answered."""

    def __init__(self, hooks: Hooks, secret: str) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.enough = threading.Event()
        self._hooks = hooks
        self._secret = secret

    def run(self) -> None:
        while not self.enough.is_set():
            self.statuses[self._hooks.golden("chatwoot", secret=self._secret).status] += 1

    def stopped(self) -> Counter[int]:
        self.enough.set()
        self.join(30)
        return self.statuses


def test_a_secret_is_rotated_while_requests_come(hooks: Hooks) -> None:
    old, new = secret_of("chatwoot"), "the-secret-after-that"
    path = hooks.folder / "rotated"
    path.write_text(new)
    before = _Sender(hooks, old)
    before.start()
    hooks.command("rotate", "chatwoot", "--secret-file", str(path))
    with_new = _status_of(hooks, "chatwoot", secret=new)
    wait_for(lambda: with_new(200), "the new secret is good", FOLLOWED_S)
    after = _Sender(hooks, new)
    after.start()
    wait_for(lambda: after.statuses[200] > 20, "both are used for a while")
    assert before.stopped() == {200: before.statuses[200]}
    hooks.command("rotate", "chatwoot", "--finish")
    with_old = _status_of(hooks, "chatwoot", secret=old)
    wait_for(lambda: with_old(401), "the old secret is gone", FOLLOWED_S)
    assert after.stopped() == {200: after.statuses[200]}


def test_the_address_is_proven_to_those_who_ask(hooks: Hooks) -> None:
    token = golden.load("meta").options["verify_token"]
    asked = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "4711"}
    with urllib.request.urlopen(f"{hooks.url('meta')}?{urlencode(asked)}", timeout=30) as answer:  # noqa: S310
        assert answer.read() == b"4711"
    with urllib.request.urlopen(f"{hooks.url('x')}?crc_token=abc", timeout=30) as answer:  # noqa: S310
        assert json.loads(answer.read())["response_token"].startswith("sha256=")
    wrong = urlencode(asked | {"hub.verify_token": "guessed"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{hooks.url('meta')}?{wrong}", timeout=30)  # noqa: S310
