"""A mail server on loopback that answers as it is told to, and keeps what it took."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PASSWORD = "correct horse"


class Letter(NamedTuple):
    """A mail as it was taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str


class PostOffice:
    """``at_rcpt`` and ``at_data`` are answers; ``stuck`` set: no mail is taken until it is cleared."""

    def __init__(self) -> None:
        self.port = 0
        self.letters: list[Letter] = []
        self.at_mail = self.at_rcpt = self.at_data = ""
        self.stuck: asyncio.Event | None = None

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_mail:
            return self.at_mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if self.at_rcpt:
            return self.at_rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.stuck is not None:
            await self.stuck.wait()
        if self.at_data:
            return self.at_data
        content = envelope.content
        assert isinstance(content, bytes)
        known: object = session.auth_data
        user = known.login.decode() if isinstance(known, LoginPassword) else ""
        self.letters.append(
            Letter(
                (envelope.mail_from or "").strip("<>"),
                tuple(envelope.rcpt_tos),
                content,
                session.ssl is not None,
                user,
            )
        )
        return "250 OK"


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    known = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=known, handled=False, auth_data=data)


@asynccontextmanager
async def post_office(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False, **options: Any
) -> AsyncIterator[PostOffice]:
    """Run one on a free port of localhost; with ``tls`` it takes mail over TLS only."""
    office = PostOffice()

    def line() -> SMTP:
        starts: dict[str, Any] = (
            {} if tls is None or implicit else {"tls_context": tls, "require_starttls": True}
        )
        return SMTP(office, hostname="mx.example", **starts, **options)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        line, "localhost", 0, ssl=tls if implicit else None, reuse_address=True
    )
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        if office.stuck is not None:
            office.stuck.set()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def strict_post_office(tls: ssl.SSLContext) -> AsyncIterator[PostOffice]:
    """Run one that wants TLS and a password."""
    async with post_office(tls, auth_required=True, authenticator=_authenticate) as office:
        yield office


def certificate(folder: Path) -> Path:
    """Write ``cert.pem`` and ``key.pem`` of localhost, and return the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


def server_tls(folder: Path) -> ssl.SSLContext:
    """Return what a server with that certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
