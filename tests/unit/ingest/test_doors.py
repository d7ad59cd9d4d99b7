"""Keys, batch splitting and the status of an answer."""

from __future__ import annotations

import pytest

from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.outcome import Result, Status
from services.ingest.prepare import Raw
from services.ingest.sources import answers
from services.ingest.sources.batch import split
from services.ingest.sources.keys import Keys, check_exposure
from shared.errors import Misconfigured


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("Bearer k1", "crm"),
        ("bearer k1", "crm"),
        ("Bearer k2", "crm"),
        ("Bearer a:b", "*"),
        ("Bearer k3", None),
        ("Bearer ", None),
        ("Basic k1", None),
        ("k1", None),
        ("Bearer k\u00e91", None),
        ("Bearer k\udcff", None),
        (None, None),
    ],
)
def test_a_key_stands_for_a_source(header: str | None, source: str | None) -> None:
    assert Keys("crm:k1, crm:k2,*:a:b").source_of(header) == source


def test_no_keys_let_everyone_in_but_only_from_this_machine() -> None:
    assert Keys("").source_of(None) == "*"
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        check_exposure(host, Keys(""), "change-me", {})
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.com"):  # noqa: S104
        with pytest.raises(Misconfigured, match=r"ingest\.keys"):
            check_exposure(host, Keys(""), "secret", {})
        with pytest.raises(Misconfigured, match="pseudonym_key"):
            check_exposure(host, Keys("a:b"), "change-me", {})
        check_exposure(host, Keys("a:b"), "secret", {})


@pytest.mark.parametrize("setting", ["nokey", "a:", ":b", "a b:c"])
def test_a_malformed_key_is_named_without_being_shown(setting: str) -> None:
    with pytest.raises(Misconfigured, match="entry 2") as caught:
        Keys("fine:one," + setting)
    assert "one" not in str(caught.value)


NDJSON = "application/x-ndjson"


@pytest.mark.parametrize(
    ("body", "kind", "items"),
    [
        (b"{}\n{}", NDJSON, [Raw(b"{}", 1), Raw(b"{}", 2)]),
        (b'{}\r\n\n \n{"a"', "text/plain", [Raw(b"{}\r", 1), Raw(b'{"a"', 4)]),
        (b'\xef\xbb\xbf[{"a":1}, 2]', "application/json", [Raw(b'{"a":1}', 1), Raw(b"2", 2)]),
        (b" [ {} ]", "application/octet-stream", [Raw(b"{}", 1)]),
        (b"[{}]", NDJSON, [Raw(b"[{}]", 1)]),
    ],
)
def test_a_batch_falls_into_its_items(body: bytes, kind: str, items: list[Raw]) -> None:
    assert split(body, kind, 10) == items


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Refusal.EMPTY),
        (b"\n \n", Refusal.EMPTY),
        (b"[]", Refusal.EMPTY),
        (b"[{},", Refusal.BAD_JSON),
        (b"[" * 100_000, Refusal.TOO_DEEP),
        (b"{}\n{}\n{}", Refusal.TOO_LARGE),
    ],
)
def test_a_body_that_is_no_batch(body: bytes, reason: Refusal) -> None:
    with pytest.raises(Rejected) as caught:
        split(body, "application/json", 2)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ("accepted duplicate rejected", 202),
        ("duplicate rejected", 200),
        ("rejected rejected", 422),
        ("accepted unavailable", 503),
        ("rejected unavailable", 503),
    ],
)
def test_the_status_of_a_batch_says_whether_to_send_it_again(statuses: str, code: int) -> None:
    response = answers.batch([Result(Status(word)) for word in statuses.split()])
    assert response.status == code
    assert ("Retry-After" in response.headers) == (code == 503)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result(Status.ACCEPTED), 202),
        (Result(Status.DUPLICATE), 200),
        (Result(Status.REJECTED, reason="bad_json"), 400),
        (Result(Status.REJECTED, reason="bad_value"), 422),
        (Result(Status.REJECTED, reason="foreign_source"), 403),
        (Result(Status.REJECTED, reason="too_large"), 413),
        (Result(Status.UNAVAILABLE), 503),
    ],
)
def test_the_status_of_a_single_item(result: Result, code: int) -> None:
    assert answers.single(result).status == code
