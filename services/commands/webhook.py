"""``tocsin webhook``: make a secret, and find out why a web hook does not verify."""

from __future__ import annotations

import base64
import re
import secrets
import sys
import time
from typing import IO, NamedTuple

import click

from services.commands.common import as_json, line
from shared import standard_webhooks
from shared.signatures import Unauthentic, seconds
from shared.standard_webhooks import ID, PREFIX, PUBLISHED, SIGNATURE, TIMESTAMP

KEY_BYTES = 32
_HEADER = re.compile(r"^\s*(?P<name>[A-Za-z0-9-]+)\s*:\s*(?P<value>.*?)\s*$")


class Checked(NamedTuple):
    """What is true of a web hook; ``hint`` is what would have made it valid."""

    valid: bool
    detail: str
    hint: str = ""


@click.group()
def command() -> None:
    """Secrets and signatures of Standard Webhooks."""


@command.command("secret")
@as_json
def secret_(as_json: bool) -> None:
    """Print a new secret.

    To change one without a gap put it first in `secrets` of the sink, leave the old one behind it
    until the receiver knows the new one, then take the old one out.
    """
    made = standard_webhooks.secret(secrets.token_bytes(KEY_BYTES))
    if as_json:
        line({"secret": made})
    else:
        click.echo(made)


@command.command("verify")
@click.option("--secret", "written", multiple=True, metavar="whsec_…", help="May be repeated.")
@click.option("--secret-file", type=click.File("r"), help="A file with a secret per line.")
@click.option(
    "-H", "--header", "given", multiple=True, metavar="'NAME: VALUE'", help="As it came; repeat."
)
@click.option("--headers-file", type=click.File("r"), help="A file with a header per line.")
@click.option("--at", type=int, metavar="SECONDS", help="When it came; default: now.")
@click.option("--vector", is_flag=True, help="Print a published example, and check it.")
@click.argument("body", type=click.File("rb"), default="-")
@as_json
def verify(
    written: tuple[str, ...],
    secret_file: IO[str] | None,
    given: tuple[str, ...],
    headers_file: IO[str] | None,
    at: int | None,
    vector: bool,
    body: IO[bytes],
    as_json: bool,
) -> None:
    """Check a web hook: BODY holds the bytes that came, `-` is standard input.

    Exit code 0: valid. 1: not, and the output says what is wrong. A body that was parsed and written
    again, or that an editor gave a line break, is another body.
    """
    if vector:
        _tell_vector(as_json=as_json)
        return
    keys = [one for one in (*written, *(secret_file or ())) if one.strip()]
    if not keys:
        raise click.UsageError("--secret or --secret-file is needed")
    headers = _headers((*given, *(headers_file or ())))
    now = int(time.time()) if at is None else at
    checked = check([key.strip() for key in keys], headers, body.read(), now)
    if as_json:
        line(checked._asdict())
    else:
        click.echo(f"valid: {checked.detail}" if checked.valid else f"not valid: {checked.detail}")
        if checked.hint:
            click.echo(checked.hint)
    sys.exit(0 if checked.valid else 1)


def check(written: list[str], headers: dict[str, str], body: bytes, now: int) -> Checked:
    """Return whether a web hook is valid, by which of the secrets, and what is wrong if it is not.

    Args:
        written: the secrets as they are handed around.
        headers: by lower-case name.
        now: s since the epoch.
    """
    keys = []
    for number, one in enumerate(written, 1):
        try:
            keys.append(standard_webhooks.signing_key(one))
        except ValueError as error:
            return Checked(False, f"secret {number}: {error}")
    for number, key in enumerate(keys, 1):
        if not _why_not([key], headers, body, now):
            return Checked(True, f"signed with secret {number} of {len(keys)}")
    return Checked(
        False, _why_not(keys, headers, body, now), _hint(written, keys, headers, body, now)
    )


def _why_not(keys: list[bytes], headers: dict[str, str], body: bytes, now: int) -> str:
    """Return what is wrong, "" if nothing is."""
    for name in (ID, TIMESTAMP, SIGNATURE):
        if not headers.get(name):
            return f"the header {name} is missing"
    if not any(one.startswith("v1,") for one in headers[SIGNATURE].split()):
        return f"{SIGNATURE} has no signature of version v1"
    try:
        standard_webhooks.verify(keys, lambda name: headers.get(name, ""), body, now * 1000)
    except Unauthentic as error:
        return error.detail
    return ""


def _hint(
    written: list[str], keys: list[bytes], headers: dict[str, str], body: bytes, now: int
) -> str:
    """Return which of the usual mistakes it was, "" if none of them."""
    signed_at = seconds(headers.get(TIMESTAMP, ""))
    then = now if signed_at is None else signed_at // 1000
    if not _why_not(keys, headers, body, then):
        return f"The signature is right, but it is {abs(now - then)} s off: --at {then} checks it."
    stripped = body.rstrip(b"\r\n")
    for tried in (stripped, stripped + b"\n"):
        if tried != body and not _why_not(keys, headers, tried, then):
            return "It would be right but for the line break at the end of the body."
    undecoded = [form for one in written for form in (one, one.removeprefix(PREFIX))]
    if not _why_not([form.encode() for form in undecoded], headers, body, then):
        return f"The sender used the secret as text; the key is base64 behind {PREFIX}."
    return ""


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in lines:
        if match := _HEADER.match(one):
            found[match["name"].lower()] = match["value"]
        elif one.strip():
            raise click.UsageError(f"not a header, NAME: VALUE: {one.strip()[:80]!r}")
    return found


def _tell_vector(*, as_json: bool) -> None:
    found = standard_webhooks.sign(
        [standard_webhooks.signing_key(PUBLISHED.secret)],
        PUBLISHED.id,
        PUBLISHED.timestamp,
        PUBLISHED.body.encode(),
    )
    signed = f"{PUBLISHED.id}.{PUBLISHED.timestamp}.{PUBLISHED.body}"
    key = base64.b64decode(PUBLISHED.secret.removeprefix(PREFIX)).hex()
    valid = found == PUBLISHED.signature
    if as_json:
        line(PUBLISHED._asdict() | {"key_hex": key, "signed": signed, "valid": valid})
    else:
        for name, value in (
            ("secret", PUBLISHED.secret),
            ("key, hex", key),
            (ID, PUBLISHED.id),
            (TIMESTAMP, str(PUBLISHED.timestamp)),
            ("body", PUBLISHED.body),
            ("signed", signed),
            (SIGNATURE, PUBLISHED.signature),
            ("here", found),
        ):
            click.echo(f"{name:18} {value}")
    sys.exit(0 if valid else 1)
