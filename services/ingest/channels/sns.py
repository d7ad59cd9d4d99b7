"""Amazon SNS over HTTPS: the envelope of a notification, and its signature.

Vendor page "Verifying the signatures of Amazon SNS messages": RSA with PKCS #1 v1.5 over the signed
fields as lines of name and value, with SHA-1 (version 1) or SHA-256 (version 2), under a certificate
that only the hosts of SNS may name, while it is valid.
"""

from __future__ import annotations

import re

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from services.ingest.channels.provider import (
    Credentials,
    KeyNeeded,
)
from services.ingest.channels.times import stated
from shared import signatures
from shared.signatures import Unauthentic

TOLERANCE_MS = 2 * 3_600_000
"""The time is that of publication; SNS sends again for at most an hour."""

NOTIFICATION = "Notification"
CONFIRMATIONS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})

_CERTIFICATE = re.compile(  # of a region: "sns.s3.amazonaws.com" is anybody's bucket
    r"https://sns\.[a-z]{2}(?:-[a-z]{1,20}){1,3}-[0-9]\.amazonaws\.com(?:\.cn)?"
    r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem"
)
_HASHES: dict[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 (what SNS signs with)


class Notice(msgspec.Struct, frozen=True, rename="pascal"):
    """A request of SNS; the names of the fields are those of its JSON."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str = ""
    signature: str = ""
    signing_cert_url: str = msgspec.field(name="SigningCertURL", default="")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


def verify(notice: Notice, credentials: Credentials, topics: tuple[str, ...], now: int) -> None:
    """Check that ``notice`` is of one of our topics, recent, and signed by Amazon.

    Raises:
        Unauthentic: it is not.
        KeyNeeded: the certificate has to be fetched first.
    """
    signatures.require(bool(topics), "the source lists no topics that it takes")
    signatures.require(notice.topic_arn in topics, "the topic is not one of the source's")
    signatures.check_age(stated(notice.timestamp).at, now, TOLERANCE_MS)
    algorithm = _HASHES.get(notice.signature_version)
    if algorithm is None:
        raise Unauthentic("unknown version of the signature")
    signature = signatures.unbase64(notice.signature)
    url = notice.signing_cert_url
    signatures.require(_CERTIFICATE.fullmatch(url) is not None, "the certificate is not Amazon's")
    if (certificate := credentials.keys.get(url)) is None:
        raise KeyNeeded(url)
    try:
        _public_key(certificate, now).verify(
            signature, signed_text(notice).encode(), padding.PKCS1v15(), algorithm
        )
    except InvalidSignature as error:
        raise Unauthentic("the signature does not match") from error


def signed_text(notice: Notice) -> str:
    """Return what SNS signs of ``notice``."""
    if notice.type == NOTIFICATION:
        fields = {
            "Message": notice.message,
            "MessageId": notice.message_id,
            "Subject": notice.subject,
            "Timestamp": notice.timestamp,
            "TopicArn": notice.topic_arn,
            "Type": notice.type,
        }
    else:
        fields = {
            "Message": notice.message,
            "MessageId": notice.message_id,
            "SubscribeURL": notice.subscribe_url,
            "Timestamp": notice.timestamp,
            "Token": notice.token,
            "TopicArn": notice.topic_arn,
            "Type": notice.type,
        }
    return "".join(f"{name}\n{value}\n" for name, value in fields.items() if value is not None)


def _public_key(pem: bytes, now: int) -> rsa.RSAPublicKey:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unauthentic("the certificate is unreadable") from error
    signatures.require(
        begin.timestamp() <= now / 1000 <= end.timestamp(), "the certificate is not valid now"
    )
    if not isinstance(key, rsa.RSAPublicKey):
        raise Unauthentic("the certificate is not for RSA")
    return key
