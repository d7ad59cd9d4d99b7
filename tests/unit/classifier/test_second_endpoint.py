"""The endpoint, against a real HTTP server on the loopback that behaves well, badly, or not at all."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.classifier import second
from services.classifier.second.endpoint import Answer, Endpoint, distribution
from services.classifier.second.limits import Breaker, DailyCap
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.metrics import Metrics
from tests.unit.classifier.second_factory import UNSURE, counted, metrics, opinion, readings

BUDGET_S = 2.0
GOOD = json.dumps({"severity": "critical", "confidence": 0.9})


def completion(content: str) -> bytes:
    """Return the body of a chat completion."""
    return json.dumps({"id": "1", "choices": [{"message": {"content": content}}]}).encode()


class Service(ThreadingHTTPServer):
    """Answers every request with ``body`` and ``status``, once ``gate`` is open (the first
    ``free`` at once); keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.drips = 200, completion(GOOD), False
        self.free = 0
        self.numbers = itertools.count()
        self.gate = threading.Event()
        self.gate.set()
        self.got: list[tuple[str, str | None, bytes]] = []

    @property
    def url(self) -> str:
        """Return the address as it is configured."""
        return f"http://127.0.0.1:{self.server_port}/v1/"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Authorization"], body))
        if next(self.server.numbers) >= self.server.free:
            self.server.gate.wait(10)
        self.send_response(self.server.status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.server.drips:
            for byte in self.server.body:
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.05)  # the pause is the point: an answer that drips
        else:
            self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    """Return a server that listens."""
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def settings(url: str, **more: str | float) -> Settings:
    """Return settings that ask the endpoint at ``url``."""
    given = {"second_budget_s": BUDGET_S, "endpoint_model": "small-1", "endpoint_key": "k3y"}
    return Settings(second_opinion="endpoint", endpoint_url=url, **(given | more))  # type: ignore[arg-type]


class Asked:
    """An endpoint and its metrics."""

    def __init__(self, service: Service, breaker: Breaker | None = None, **more: float) -> None:
        self.metrics: Metrics = metrics()
        self.endpoint = Endpoint(settings(service.url, **more), self.metrics, breaker)

    def ask(self, texts: int = 1) -> list[str]:
        """Return who had a part in the opinions on so many uncertain texts."""
        given = [opinion() for _ in range(texts)]
        revised = self.endpoint.revise(readings(["Where is it?"] * texts), given)
        return ["" if one is None else one.second for one in revised]

    @property
    def results(self) -> dict[str, int]:
        """Return the counts of results."""
        return counted(self.metrics)


def test_the_setting_builds_it(service: Service) -> None:
    asked = second.build(settings(service.url), metrics())
    assert isinstance(asked, Endpoint)
    asked.close()


def test_an_answer_is_blended_and_recorded(service: Service) -> None:
    asked = Asked(service)
    revised = asked.endpoint.revise(readings(["It smokes."]), [opinion()])[0]
    assert revised is not None
    assert revised.second == "endpoint:small-1"
    assert revised.severity[3] == pytest.approx((0.1 + 0.9) / 2)
    assert sum(revised.severity) == pytest.approx(1.0)
    assert asked.results == {"ok": 1}


def test_it_is_sent_the_text_the_schema_and_the_key(service: Service) -> None:
    Asked(service).ask()
    path, key, body = service.got[0]
    request = json.loads(body)
    assert (path, key) == ("/v1/chat/completions", "Bearer k3y")
    assert request["model"] == "small-1"
    assert [one["role"] for one in request["messages"]] == ["system", "user"]
    assert request["messages"][1]["content"] == "Where is it?"
    assert request["response_format"]["json_schema"]["strict"] is True
    assert b"acme" not in body  # neither tenant nor customer


def test_sure_texts_are_not_sent(service: Service) -> None:
    asked = Asked(service)
    sure = opinion((0.9, 0.1, 0.0, 0.0))
    assert asked.endpoint.revise(readings(["Fine."]), [sure]) == [sure]
    assert service.got == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, completion(GOOD)),
        (401, b"{}"),
        (302, completion(GOOD)),
        (200, b"<html>"),
        (200, b'{"choices": []}'),
        (200, completion("critical")),
        (200, completion('{"severity": "apocalyptic", "confidence": 1}')),
        (200, completion('{"severity": "low", "confidence": 7}')),
        (200, completion('{"severity": "low", "confidence": 1, "note": "x"}')),
        (200, completion(GOOD + " " * 100_000)),
        (200, b"\xff\xfe"),
    ],
)
def test_what_is_not_the_agreed_answer_changes_nothing(
    service: Service, status: int, body: bytes
) -> None:
    service.status, service.body = status, body
    asked = Asked(service)
    assert asked.ask() == [""]
    assert asked.results == {"failed": 1}
    assert [path for path, _, _ in service.got] == ["/v1/chat/completions"]  # no redirect followed


@pytest.mark.parametrize("how", ["silent", "drips"])
def test_the_budget_is_kept(service: Service, how: str) -> None:
    if how == "silent":
        service.gate.clear()
    service.drips = how == "drips"
    asked = Asked(service, second_budget_s=0.3)
    begun = time.monotonic()
    assert asked.ask(20) == [""] * 20
    assert 0.25 < time.monotonic() - begun < 1.3
    assert asked.results["late"] + asked.results.get("open", 0) == 20
    assert len(service.got) <= 8


def test_what_comes_in_time_counts_and_the_rest_is_late(service: Service) -> None:
    service.gate.clear()
    service.free = 3
    asked = Asked(service, second_budget_s=1.0)
    assert asked.ask(6).count("endpoint:small-1") == 3
    assert asked.results == {"ok": 3, "late": 3}


def test_nobody_listens(service: Service) -> None:
    asked = Asked(service)
    asked.endpoint.close()
    gone = Endpoint(settings("http://127.0.0.1:9/v1"), asked.metrics)
    assert [one.second for one in gone.revise(readings(["x"]), [opinion()]) if one] == [""]
    assert asked.results == {"failed": 1}


def test_failures_in_a_row_open_the_breaker_and_one_request_closes_it(service: Service) -> None:
    service.status = 503
    breaker = Breaker(failures=3, pause_s=0.5)
    asked = Asked(service, breaker)
    for _ in range(3):
        asked.ask()
    begun = time.monotonic()
    assert asked.ask() == [""]
    assert asked.results == {"failed": 3, "open": 1}
    service.status = 200
    while time.monotonic() < begun + 5 and not asked.ask()[0]:
        pass
    assert asked.ask(4) == ["endpoint:small-1"] * 4


def test_the_daily_cap_holds(service: Service) -> None:
    asked = Asked(service, endpoint_daily_requests=3)
    assert asked.ask(5).count("endpoint:small-1") == 3
    assert asked.ask() == [""]
    assert asked.results == {"ok": 3, "capped": 3}
    assert len(service.got) == 3


def test_the_cap_is_of_a_day() -> None:
    cap = DailyCap(2)
    assert [cap.take(0.0), cap.take(1.0), cap.take(86_399.0)] == [True, True, False]
    assert cap.take(86_400.0)


def test_the_breaker_lets_one_try_at_a_time() -> None:
    breaker = Breaker(failures=2, pause_s=10)
    assert [breaker.failed(0.0), breaker.failed(0.0), breaker.failed(0.0)] == [False, True, False]
    assert not breaker.allows(9.0)
    assert [breaker.allows(10.0), breaker.allows(10.0)] == [True, False]
    breaker.succeeded()
    assert breaker.allows(10.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://llm.example.com/v1",
        "http://169.254.169.254/v1",
        "ftp://127.0.0.1/v1",
        "https://user:pass@llm.example.com/v1",
        "https://llm.example.com/v1?key=1",
        "llm.example.com",
        "",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="endpoint_url"):
        Endpoint(settings(url), metrics())


@pytest.mark.parametrize(
    "url", ["https://llm.example.com/v1", "http://localhost:1/v1", "http://[::1]/v1"]
)
def test_addresses_that_are_taken(url: str) -> None:
    Endpoint(settings(url), metrics()).close()


def test_what_it_is_not_sure_of_goes_where_the_model_would_put_it() -> None:
    shares = distribution(Answer("critical", 0.55), UNSURE)
    assert shares == pytest.approx([0.45 * 4 / 9, 0.45 * 3 / 9, 0.45 * 2 / 9, 0.55])
    sure = distribution(Answer("low", 0.4), (1.0, 0.0, 0.0, 0.0))
    assert sure == pytest.approx([0.4, 0.2, 0.2, 0.2])
