"""``tocsin webhook``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.commands.webhook import command
from shared.standard_webhooks import PUBLISHED, sign, signing_key

BODY = b'{"type":"x","data":{}}'
AT = 1_750_000_000
SECRETS = ("whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8)


def run(*arguments: str, body: bytes = BODY) -> Result:
    return CliRunner().invoke(command, list(arguments), input=body, catch_exceptions=False)


def headers(key: bytes, body: bytes = BODY, at: int = AT) -> list[str]:
    return [
        *("-H", "Webhook-Id: n1"),
        *("-H", f"webhook-timestamp:{at}"),
        *("-H", f"WEBHOOK-SIGNATURE:  {sign([key], 'n1', at, body)} "),
    ]


def verified(*more: str, key: bytes | None = None, body: bytes = BODY) -> Result:
    signed = headers(signing_key(SECRETS[1]) if key is None else key)
    secrets = [part for secret in SECRETS for part in ("--secret", secret)]
    return run("verify", *secrets, *signed, "--at", str(AT), *more, body=body)


def test_a_new_secret_can_sign_and_is_never_the_same() -> None:
    first, second = (
        run("secret").output.strip(),
        json.loads(run("secret", "--json").output)["secret"],
    )
    assert first != second
    assert len(signing_key(first)) == len(signing_key(second)) == 32


def test_a_valid_one_says_by_which_secret() -> None:
    result = verified()
    assert (result.exit_code, result.output) == (0, "valid: signed with secret 2 of 2\n")


def test_body_headers_and_secrets_can_come_from_files(tmp_path: Path) -> None:
    files = {
        "body": BODY,
        "secrets": "\n".join((*SECRETS, "")).encode(),
        "headers": "\n".join(headers(signing_key(SECRETS[0]))[1::2]).encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    result = run(
        *("verify", "--secret-file", str(tmp_path / "secrets")),
        *("--headers-file", str(tmp_path / "headers")),
        *("--at", str(AT), "--json", str(tmp_path / "body")),
    )
    assert json.loads(result.output) == {
        "valid": True,
        "detail": "signed with secret 1 of 2",
        "hint": "",
    }


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda: verified(body=BODY + b"\n"), "but for the line break at the end of the body"),
        (lambda: verified(body=BODY + b" "), "the signature does not match\n"),
        (lambda: verified("--at", str(AT + 900)), "it is 900 s off: --at 1750000000 checks it"),
        (lambda: verified(key=SECRETS[0].encode()), "used the secret as text"),
        (lambda: verified(key=SECRETS[0][6:].encode()), "used the secret as text"),
        (lambda: verified("-H", "webhook-id:"), "the header webhook-id is missing"),
        (lambda: verified("-H", "webhook-signature: v1a,x"), "no signature of version v1"),
        (lambda: verified("-H", "webhook-timestamp: soon"), "time is missing or malformed"),
        (lambda: verified("--secret", "whsec_QUJD"), "secret 3: the key has 3 bytes"),
    ],
)
def test_what_is_wrong_is_said(result: object, says: str) -> None:
    assert callable(result)
    found = result()
    assert found.exit_code == 1
    assert found.output.startswith("not valid: ")
    assert says in found.output


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--secret", "x", "-H", "nothing"]])
def test_what_cannot_be_checked_is_a_wrong_use(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_example_is_printed_and_checked() -> None:
    assert f"here               {PUBLISHED.signature}" in run("verify", "--vector").output
    told = json.loads(run("verify", "--vector", "--json").output)
    assert told["valid"] is True
    assert told["signature"] == PUBLISHED.signature
    assert told["signed"] == f"{PUBLISHED.id}.{PUBLISHED.timestamp}.{PUBLISHED.body}"


def test_a_time_that_is_no_time_is_named() -> None:
    given = ("-H", "webhook-timestamp: " + "9" * 5_000)
    result = verified(*given)
    assert (result.exit_code, result.output) == (
        1,
        "not valid: the signed time is missing or malformed\n",
    )
