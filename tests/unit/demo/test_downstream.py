"""The receivers of the demonstration take what is signed with their secret, and nothing else."""

from __future__ import annotations

import smtplib
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from deploy.demo.downstream import Downstream, Told
from services.notifier.settings import SinkSettings
from shared import standard_webhooks

BODY = (
    b'{"type":"insight.test","timestamp":"2026-01-01T00:00:00Z","data":{"type":"insight.v1",'
    b'"insight_id":"i","tenant":"t","kind":"test","at":1,"title":"x"}}'
)


def post(url: str, body: bytes, secret: str, at: int) -> int:
    """Post a signed body; return the status."""
    keys = [standard_webhooks.signing_key(secret)]
    request = urllib.request.Request(  # noqa: S310
        url,
        body,
        {
            standard_webhooks.ID: "m1",
            standard_webhooks.TIMESTAMP: str(at),
            standard_webhooks.SIGNATURE: standard_webhooks.sign(keys, "m1", at, body),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_web_hook_verifies_and_the_mailbox_counts(tmp_path: Path) -> None:
    taken: list[Told | None] = []
    mails: list[int] = []
    downstream = Downstream(taken.append, lambda: mails.append(1))
    downstream.start()
    try:
        path = downstream.write_sinks(tmp_path / "kept")
        tree = tomllib.loads(path.read_text("utf-8"))
        sink = tree["sinks"]["default"]
        assert path.stat().st_mode & 0o077 == 0
        url, secret, now = sink["url"], sink["secrets"][0], int(time.time())
        assert post(url, BODY, secret, now) == 204
        assert post(url, BODY, standard_webhooks.secret(b"x" * 32), now) == 401
        assert post(url, BODY, secret, now - 400) == 401
        assert post(url, b"{}", secret, now) == 401
        writer = SinkSettings(**tree["writers"]["email"])
        port = int(writer.url.rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("help@demo.example", ["ada@example.org"], b"Subject: hello\r\n\r\n.")
    finally:
        downstream.stop()
    assert [one is not None for one in taken] == [True, False, False, False]
    assert mails == [1]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)  # noqa: S310
