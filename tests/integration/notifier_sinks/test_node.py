"""Our web hooks, received by the library of the specification for Node."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, target
from services.notifier.sinks.webhook import WebhookSink
from shared.codec import encode
from shared.events import CaseEvent, Insight, NotificationKind, ReplyDue
from shared.standard_webhooks import PUBLISHED, sign, signing_key
from tests.services import missing
from tests.unit.notifier.sinks.world import (
    SECRETS,
    case,
    event,
    insight,
    notification,
    reply_due,
    said,
)

pytestmark = pytest.mark.integration

NODE = Path(__file__).parent / "node"
INSTALL_S = 90
ANSWER_S = 20


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the programs and the locked library, installed."""
    if not shutil.which("npm") or not shutil.which("node"):
        missing("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node") / "programs"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules"))
    try:
        subprocess.run(
            ["npm", "ci"], cwd=folder, check=True, capture_output=True, timeout=INSTALL_S
        )
    except subprocess.CalledProcessError as error:
        missing(f"npm ci: {error.stderr.decode(errors='replace')[-500:]}")
    except subprocess.TimeoutExpired:
        missing(f"npm ci takes longer than {INSTALL_S} s")
    return folder


def received(
    node: Path, secret: str, sends: Sequence[Any], keys: Sequence[bytes]
) -> tuple[list[Result], list[dict[str, Any]]]:
    """Deliver to the receiver in Node, which knows ``secret``; return the results and what it says."""

    async def run() -> tuple[list[Result], list[dict[str, Any]]]:
        process = await asyncio.create_subprocess_exec(
            *("node", "receiver.mjs", secret), cwd=node, stdout=asyncio.subprocess.PIPE
        )
        outbound = Outbound()
        try:
            assert process.stdout is not None
            async with asyncio.timeout(ANSWER_S):
                port = int(await process.stdout.readline())
                to = target(f"http://127.0.0.1:{port}/", allow_private=True, what="url")
                sink = WebhookSink("crm", outbound, to, keys, 5.0)
                results = [await sink.deliver(one) for one in sends]
                return results, [json.loads(await process.stdout.readline()) for _ in sends]
        finally:
            await outbound.close()
            process.kill()
            await process.wait()

    return asyncio.run(run())


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_verifies_and_the_event_arrives_whole(node: Path, secret: str) -> None:
    causes: list[CaseEvent | ReplyDue | Insight] = [
        event(),
        reply_due(),
        insight(),
        event(case(feedback=(said('größer 😀 \u2028 </script> \\ "'),))),
    ]
    sends = [
        notification(one, NotificationKind.EVENT, notification_id=f"n{number}")
        for number, one in enumerate(causes)
    ]
    results, heard = received(node, secret, sends, [signing_key(one) for one in SECRETS])
    assert results == [Result(Verdict.DELIVERED)] * len(sends)
    for sent, one in zip(sends, heard, strict=True):
        assert one["id"] == sent.notification_id
        assert one["read"]["data"] == json.loads(encode(sent.cause))


def test_another_secret_is_refused(node: Path) -> None:
    results, heard = received(node, SECRETS[1], [notification()], [signing_key(SECRETS[0])])
    assert heard == [{"refused": "No matching signature found"}]
    assert results == [Result(Verdict.PERMANENT, "HTTP 401: No matching signature found")]


def test_node_signs_as_we_do(node: Path) -> None:
    body = '{"text":"größer 😀"}'
    for secret, id_, at, text in (
        (SECRETS[0], "n1", 1_750_000_000, body),
        (PUBLISHED.secret, PUBLISHED.id, PUBLISHED.timestamp, PUBLISHED.body),
    ):
        theirs = subprocess.run(
            ["node", "sign.mjs", secret, id_, str(at), text],
            cwd=node, check=True, capture_output=True, text=True, timeout=ANSWER_S,
        ).stdout.strip()  # fmt: skip
        assert sign([signing_key(secret)], id_, at, text.encode()) == theirs


def test_the_lock_names_versions_and_hashes_and_no_registry() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert packages
    for one in packages.values():
        assert one["integrity"].startswith("sha512-")
        assert "resolved" not in one
