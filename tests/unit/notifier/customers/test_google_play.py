"""Google Play: what is asked of them, and what each of their answers means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import parse_qs

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.notifier.customers.writing import Outgoing
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound
from shared.events import NoReply
from shared.routes import Route
from tests.unit.notifier.customers.desk import (
    RECEIPT,
    REVIEW,
    answering,
    changed,
    route,
    writer,
)
from tests.unit.notifier.sinks.world import Handler, Taken, receiving, saying


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class Play:
    """Google: gives tokens, and answers to replies as it is told to."""

    def __init__(self, *answers: Handler) -> None:
        self.tokens = 0
        self._answers = list(answers)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            self.tokens += 1
            return web.json_response({"access_token": f"t{self.tokens}", "expires_in": 3599})
        return await (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(request)


Reply = Callable[[Play, Route, Outgoing], tuple[list[Result], list[Taken]]]


@pytest.fixture
def reply(private_key: str) -> Reply:
    """Return a function that answers a review twice, with one writer."""

    def run(play: Play, to: Route, message: Outgoing) -> tuple[list[Result], list[Taken]]:
        async def main() -> tuple[list[Result], list[Taken]]:
            outbound = Outbound()
            try:
                async with receiving(play) as receiver:
                    secret = {
                        "type": "service_account",
                        "client_email": "reply@project.example",
                        "private_key": private_key,
                        "private_key_id": "k1",
                        "token_uri": f"{receiver.url}/token",
                    }
                    made = writer(
                        "reviews",
                        outbound,
                        kind="google_play",
                        url=receiver.url,
                        secrets=(json.dumps(secret),),
                    )
                    return [await made.write(to, message) for _ in range(2)], receiver.taken
            finally:
                await outbound.close()

        return asyncio.run(main())

    return run


OK = answering(200, {"result": {"replyText": "x", "lastEdited": {"seconds": "1"}}})


def test_a_review_is_answered_with_one_token_for_both(reply: Reply, private_key: str) -> None:
    play = Play(OK)
    results, taken = reply(play, REVIEW, RECEIPT)
    assert [one.verdict for one in results] == [Verdict.DELIVERED] * 2
    assert play.tokens == 1
    asked, answered = taken[0], taken[1]
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    public = serialization.load_pem_private_key(private_key.encode(), None).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    claims = jwt.decode(
        form["assertion"][0], public, algorithms=["RS256"],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert claims["scope"] == "https://www.googleapis.com/auth/androidpublisher"
    assert claims["iss"] == "reply@project.example"
    path = "/androidpublisher/v3/applications/com.example.app/reviews/gp:AOqp_1:reply"
    assert (answered.method, answered.path) == ("POST", path)
    assert answered.headers["authorization"] == "Bearer t1"
    assert json.loads(answered.body) == {"replyText": RECEIPT.text}


def test_a_token_that_is_refused_is_got_anew(reply: Reply) -> None:
    play = Play(saying(401), OK)
    results, taken = reply(play, REVIEW, RECEIPT)
    assert [one.verdict for one in results] == [Verdict.DELIVERED] * 2
    assert play.tokens == 2
    sent = [one.headers["authorization"] for one in taken if one.path != "/token"]
    assert sent == ["Bearer t1", "Bearer t2", "Bearer t2"]


@pytest.mark.parametrize(
    ("status", "error", "verdict", "fault"),
    [
        (400, {"message": "too long", "status": "INVALID_ARGUMENT"}, "unsuitable", False),
        (404, {"message": "no such review", "status": "NOT_FOUND"}, "unsuitable", False),
        (403, {"message": "no right", "status": "PERMISSION_DENIED"}, "retryable", True),
        (403, {"message": "quota", "errors": [{"reason": "quotaExceeded"}]}, "retryable", False),
        (429, {"message": "quota", "status": "RESOURCE_EXHAUSTED"}, "retryable", False),
        (401, {"message": "still not", "status": "UNAUTHENTICATED"}, "retryable", True),
        (503, {"message": "away", "status": "UNAVAILABLE"}, "retryable", True),
    ],
)
def test_what_google_says(
    reply: Reply, status: int, error: dict[str, object], verdict: str, fault: bool
) -> None:
    [result, _], _ = reply(Play(answering(status, {"error": error})), REVIEW, RECEIPT)
    assert (result.verdict, result.fault) == (verdict, fault), result


def test_what_is_too_long_or_cannot_be_addressed_is_never_sent(reply: Reply) -> None:
    for to, message in (
        (REVIEW, changed(text="x" * 351)),
        (route(REVIEW, account="", address="r1"), RECEIPT),
        (route(REVIEW, address="../../x"), RECEIPT),
    ):
        [result, _], taken = reply(Play(OK), to, message)
        assert (result.verdict, result.why, taken) == (Verdict.UNSUITABLE, NoReply.REFUSED, [])
    assert reply(Play(OK), REVIEW, changed(text="x" * 350))[0][0].verdict is Verdict.DELIVERED
