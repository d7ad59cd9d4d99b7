"""Nobody gets a request sent to an address that is not public. Here 127.0.0.2 plays the public one."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Answer, Outbound, Target, target
from shared.errors import Misconfigured
from tests.unit.notifier.sinks.world import Receiver, receiving, saying

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
NAME = "hook.example"


class Names(AbstractResolver):
    """Resolves every name to the next addresses of a list; the last ones stay."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


def refuse(address: str) -> str | None:
    return None if address == PUBLIC else "private"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of ``hook.example``, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


class Site:
    """A receiver with TLS at the public address, and the names that its guests announced (SNI)."""

    def __init__(self, certificate: Path) -> None:
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(certificate)
        self.server.sni_callback = self._announced
        self.client = ssl.create_default_context(cafile=certificate)
        self.announced: list[str | None] = []

    def _announced(
        self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        self.announced.append(name)

    def post(
        self, names: Names, *, times: int = 1, host: str = NAME, close: bool = False
    ) -> tuple[list[Answer], Receiver]:
        """Post to ``host`` at the receiver's port; ``close``: each answer ends the connection."""

        async def run() -> tuple[list[Answer], Receiver]:
            client = Outbound(tls=self.client, resolver=names, refuse=refuse)
            headers = {"connection": "close"} if close else {}
            try:
                async with receiving(saying(200, **headers), PUBLIC, self.server) as receiver:
                    to = target(f"https://{host}:{receiver.port}/", allow_private=False, what="url")
                    return [await client.post(to, b"{}", {}, 5.0) for _ in range(times)], receiver
            finally:
                await client.close()

        return asyncio.run(run())


@pytest.fixture
def site(certificate: Path) -> Site:
    return Site(certificate)


def test_the_checked_address_is_reached_under_its_name(site: Site) -> None:
    [answer], receiver = site.post(Names([PUBLIC]))
    assert answer.result == Result(Verdict.DELIVERED)
    assert site.announced == [NAME]
    assert receiver.taken[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_a_name_that_rebinds_between_attempts_is_refused(site: Site) -> None:
    (first, second), receiver = site.post(Names([PUBLIC], [PRIVATE]), times=2, close=True)
    assert first.result.verdict is Verdict.DELIVERED
    assert second.result == Result(
        Verdict.RETRYABLE, "no connection: refused: the host's address is private", fault=True
    )
    assert len(receiver.taken) == 1


def test_a_connection_that_stands_goes_on_to_the_checked_address(site: Site) -> None:
    names = Names([PUBLIC], [PRIVATE])
    answers, receiver = site.post(names, times=3)
    assert [answer.result.verdict for answer in answers] == [Verdict.DELIVERED] * 3
    assert (names.asked, len(receiver.taken)) == (1, 3)


def test_of_several_addresses_only_the_public_ones_are_tried(site: Site) -> None:
    [answer], _ = site.post(Names([PRIVATE, PUBLIC]))
    assert answer.result == Result(Verdict.DELIVERED)
    [answer], receiver = site.post(Names([PRIVATE, "127.0.0.3", "::1"]))
    assert answer.result.verdict is Verdict.RETRYABLE
    assert "refused: the host's address is private" in answer.result.detail
    assert not receiver.taken


def test_a_certificate_of_another_name_is_refused(site: Site) -> None:
    [answer], receiver = site.post(Names([PUBLIC]), host="other.example")
    assert answer.result.verdict is Verdict.RETRYABLE
    assert "TLS failed" in answer.result.detail
    assert not receiver.taken


def _sent(to: Target, *, loop_back: bool) -> tuple[Result, int]:
    """Post with the rules of production; return what came of it, and what a loopback receiver got."""

    async def run() -> tuple[Result, int]:
        client = Outbound()
        try:
            async with receiving(saying(200)) as receiver:
                there = to._replace(url=to.url.with_port(receiver.port)) if loop_back else to
                return (await client.post(there, b"{}", {}, 5.0)).result, len(receiver.taken)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",  # noqa: S104  it is where the request would go
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127.0.0.1.",
        "localhost.",
    ],
)
def test_no_spelling_of_loopback_is_reached(host: str) -> None:
    try:
        to = target(f"https://{host}/", allow_private=False, what="url")
    except Misconfigured:
        return
    result, reached = _sent(to, loop_back=True)
    assert result.verdict is Verdict.RETRYABLE
    assert reached == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[fd00:ec2::254]"]
)
def test_what_is_refused_is_said_before_anything_is_sent(host: str) -> None:
    result, _ = _sent(target(f"https://{host}/", allow_private=False, what="url"), loop_back=False)
    assert "refused: the host's address is " in result.detail


def test_connections_are_not_lent_to_those_who_may_not_have_them() -> None:
    async def run() -> tuple[Result, Result, int]:
        client = Outbound()
        try:
            async with receiving(saying(200)) as receiver:
                open_ = target(receiver.url, allow_private=True, what="url")
                first = await client.post(open_, b"{}", {}, 5.0)
                second = await client.post(open_._replace(allow_private=False), b"{}", {}, 5.0)
                return first.result, second.result, len(receiver.taken)
        finally:
            await client.close()

    first, second, reached = asyncio.run(run())
    assert (first.verdict, second.verdict, reached) == (Verdict.DELIVERED, Verdict.RETRYABLE, 1)
    assert "loopback" in second.detail


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
        "hook.example",
        "//hook.example/",
        "https://",
        "https:///path",
        "https://user@hook.example/",
        "https://user:pass@hook.example/",
        "https://:pass@hook.example/",
        "https://hook.example/#part",
        "https://hook.example:99999/",
        "https://[::1/",
        "",
    ],
)
def test_urls_that_are_no_target(url: str) -> None:
    with pytest.raises(Misconfigured, match="the url: "):
        target(url, allow_private=False, what="the url")
