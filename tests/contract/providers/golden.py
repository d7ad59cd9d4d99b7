"""Golden files of providers: requests as the platform documents them, and what must come of each.

``golden/<provider>.json``; ``python -m tests.contract.providers NAME`` prints what the module makes of
every case, in the form in which a case expects it, for its author to check line by line.
"""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import Credentials, Delivery, Settings

HERE = Path(__file__).parent / "golden"

JsonValue = msgspec.Raw


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request. The body is ``body`` as text, or ``json``, ``form`` or ``base64``.

    ``unsigned``: the request carries no valid signature and is only parsed (a second payload shape
    does not need its own). ``same_as``/``revises`` name an earlier case: the items have the same id
    and revision (a duplicate), or the same id and another revision (an edit).
    ``rejected`` is the reason if the whole request is unreadable.
    """

    name: str
    method: str = "POST"
    url: str | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    json: JsonValue = msgspec.Raw()
    form: list[tuple[str, str]] | None = None
    base64: str | None = None
    unsigned: bool = False
    same_as: str | None = None
    revises: str | None = None
    items: list[JsonValue] = []
    ignored: list[str] = []
    unfit: list[str] = []
    rejected: str | None = None

    def content(self) -> bytes:
        """Return the bytes of the body."""
        if self.body is not None:
            return self.body.encode()
        if bytes(self.json):
            return bytes(self.json)
        if self.form is not None:
            return urlencode(self.form).encode()
        return b"" if self.base64 is None else base64.b64decode(self.base64)


class Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that only proves the address, and the answer."""

    url: str
    answer: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cases of one provider.

    ``signature`` lists what authenticates, each part of which a forger must get right: headers, or
    ``?name`` for a parameter of the URL, ``=name`` for a field of an urlencoded body, ``$name`` for a
    member of a JSON body. ``covers_body`` and ``dated`` say what else a forger must fail on: another
    body, another time.
    """

    provider: str
    now: dt.datetime
    cases: list[Case]
    url: str = "https://feedback.example.com/v1/hooks/golden"
    secrets: list[str] = []
    keys: dict[str, str] = {}
    region: str | None = None
    options: dict[str, str] = {}
    signature: list[str] = []
    covers_body: bool = True
    dated: bool = False
    challenge: Challenge | None = None

    def settings(self) -> Settings:
        """Return the configuration of the source."""
        return Settings(name="golden", region=self.region, options=self.options)

    def credentials(self) -> Credentials:
        """Return the secrets of the source."""
        return Credentials(
            secrets=tuple(secret.encode() for secret in self.secrets),
            keys={url: key.encode() for url, key in self.keys.items()},
        )

    def now_ms(self) -> int:
        """Return the time of all requests, in ms."""
        return int(self.now.timestamp() * 1000)

    def hook(self, case: Case) -> Hook:
        """Return the request of ``case``."""
        headers = {name.lower(): value for name, value in case.headers.items()}
        if case.form is not None:
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        elif bytes(case.json):
            headers.setdefault("content-type", "application/json")
        return Hook(
            method=case.method,
            url=case.url or self.url,
            headers=headers,
            body=case.content(),
            now=self.now_ms(),
        )


def load(provider: str) -> Golden:
    """Return the golden file of ``provider``."""
    return msgspec.json.decode((HERE / f"{provider}.json").read_bytes(), type=Golden)


def rendered(delivery: Delivery) -> dict[Literal["items", "ignored", "unfit"], list[object]]:
    """Return ``delivery`` in the form in which a case expects it."""
    return {
        "items": [msgspec.json.decode(msgspec.json.encode(item)) for item in delivery.items],
        "ignored": [str(reason) for reason in delivery.ignored],
        "unfit": [str(unfit.reason) for unfit in delivery.unfit],
    }
