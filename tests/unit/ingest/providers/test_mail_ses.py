"""SES: the signature of SNS, from another side than the golden file, and odd notifications."""

from __future__ import annotations

import base64
import datetime as dt
import json

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.ingest.channels import sns
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Ignored,
    KeyNeeded,
    Settings,
)
from services.ingest.channels.providers import ses
from services.ingest.channels.rejection import Refusal
from shared.signatures import Unauthentic

NOW = 1_790_000_000_000
FILE = "SimpleNotificationService-00ff.pem"
URL = f"https://sns.eu-central-1.amazonaws.com/{FILE}"
ARN = "arn:aws:sns:eu-central-1:012345678901:mail"
SETTINGS = Settings(name="mail", options={"topic_arns": f"arn:other, {ARN}"})
KEY = rsa.generate_private_key(65537, 2048)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, begin: str = "2026-01-01T00:00:00+00:00"
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    year = dt.timedelta(days=365)
    now = dt.datetime.fromisoformat(begin)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + year)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


CREDENTIALS = Credentials(keys={URL: certificate(KEY)})


def notice(message: object = "{}", **fields: str) -> dict[str, str]:
    """Return a notification, signed the way Amazon describes it."""
    members = {
        "Type": "Notification",
        "MessageId": "id-1",
        "TopicArn": ARN,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-09-21T13:33:20.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": URL,
    } | fields
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if members["Type"] != "Notification":
        names = [
            "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
        ]  # fmt: skip
    text = "".join(f"{name}\n{members[name]}\n" for name in names if name in members)
    algorithm = hashes.SHA1() if members["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    signature = KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {"Signature": base64.b64encode(signature).decode()} | members


def hook(members: dict[str, str], now: int = NOW) -> Hook:
    return Hook(url="https://example.com/", body=json.dumps(members).encode(), now=now)


def verify(members: dict[str, str], credentials: Credentials = CREDENTIALS) -> str:
    return ses.verify(hook(members), credentials, SETTINGS).method


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_and_confirmations_verify(version: str) -> None:
    assert verify(notice(SignatureVersion=version)) == f"sns rsa v{version}"
    assert verify(notice("zwölf\n", SignatureVersion=version, Subject="Grüße"))
    confirmation = notice(
        "You have chosen…", Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://x"
    )
    assert verify(confirmation)


def test_the_version_cannot_be_swapped() -> None:
    for version in ("1", "3", "", "02"):
        with pytest.raises(Unauthentic):
            verify(notice() | {"SignatureVersion": version})


def test_a_notification_is_no_confirmation() -> None:
    with pytest.raises(Unauthentic):
        verify(notice() | {"Type": "SubscriptionConfirmation"})


def test_an_unknown_certificate_is_asked_for_by_its_address() -> None:
    with pytest.raises(KeyNeeded) as asked:
        verify(notice(), Credentials())
    assert asked.value.url == URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://sns.eu-central-1.amazonaws.com/{FILE}",
        f"https://sns.eu-central-1.amazonaws.com.evil.example/{FILE}",
        f"https://evil.example/sns.eu-central-1.amazonaws.com/{FILE}",
        f"https://sns.eu-central-1.amazonaws.com@evil.example/{FILE}",
        f"https://sns.eu-central-1.amazonaws.com:8443/{FILE}",
        f"https://sns.eu-central-1.amazonaws.com/{FILE}?x=1",
        f"https://sns.eu-central-1.amazonaws.com/a/../{FILE}",
        f"https://sns.eu-central-1.amazonaws.com/{FILE}\n",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-00ff.txt",
        "https://sns.eu-central-1.amazonaws.com/evil.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-xyz.pem",
        f"https://sns.evil.example.amazonaws.com/{FILE}",
        f"https://SNS.eu-central-1.amazonaws.com\\.evil.example/{FILE}",
        f"https://sns.s3.amazonaws.com/{FILE}",
        f"https://sns.s3-us-west-2.amazonaws.com/{FILE}",
        f"https://sns.s3.us-west-2.amazonaws.com/{FILE}",
        f"https://sns.amazonaws.com/{FILE}",
        "https://s3.amazonaws.com/a.pem",
        "file:///etc/a.pem",
    ],
)
def test_a_certificate_from_elsewhere_is_never_asked_for(url: str) -> None:
    with pytest.raises(Unauthentic):
        verify(notice(SigningCertURL=url), Credentials(keys={url: certificate(KEY)}))


def test_the_addresses_of_china_are_amazons_too() -> None:
    for region in ("cn-north-1.amazonaws.com.cn", "us-gov-west-1.amazonaws.com"):
        url = f"https://sns.{region}/{FILE}"
        verify(notice(SigningCertURL=url), Credentials(keys={url: certificate(KEY)}))


@pytest.mark.parametrize(
    "wrong",
    [
        certificate(rsa.generate_private_key(65537, 2048)),
        certificate(ec.generate_private_key(ec.SECP256R1())),
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\xff\x00",
    ],
)
def test_another_certificate_proves_nothing(wrong: bytes) -> None:
    with pytest.raises(Unauthentic):
        verify(notice(), Credentials(keys={URL: wrong}))


@pytest.mark.parametrize("begin", ["2025-09-21T14:13:19+00:00", "2026-09-21T14:13:21+00:00"])
def test_a_certificate_counts_while_it_is_valid(begin: str) -> None:
    with pytest.raises(Unauthentic, match="valid now"):
        verify(notice(), Credentials(keys={URL: certificate(KEY, begin)}))


def test_only_our_topics_and_only_recent_ones() -> None:
    with pytest.raises(Unauthentic, match="topic"):
        verify(notice(TopicArn="arn:aws:sns:eu-central-1:999999999999:mail"))
    with pytest.raises(Unauthentic, match="topics"):
        ses.verify(hook(notice()), CREDENTIALS, Settings(name="mail"))
    for shift in (-3 * 3_600_000, 3 * 3_600_000):
        with pytest.raises(Unauthentic, match="too"):
            ses.verify(hook(notice(), now=NOW + shift), CREDENTIALS, SETTINGS)


def test_a_subscription_is_never_followed_nor_shown() -> None:
    members = notice(
        "Confirm", Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://evil.example/"
    )
    delivery = ses.parse(hook(members), SETTINGS)
    assert delivery.ignored == (Ignored.PING,)
    assert b"evil" not in msgspec.json.encode(delivery)


def test_mail_that_is_not_in_the_notification_says_what_to_change() -> None:
    message = {"notificationType": "Received", "receipt": {"action": {"type": "S3"}}}
    (unfit,) = ses.parse(hook(notice(message)), SETTINGS).unfit
    assert unfit.reason is Refusal.MISSING_FIELD
    assert "S3" in unfit.detail
    assert "SNS action" in unfit.detail


@pytest.mark.parametrize("type_", ["Send", "Open", "Click", "Rendering Failure", "DeliveryDelay"])
def test_events_about_our_own_mail_are_ignored(type_: str) -> None:
    assert ses.parse(hook(notice({"eventType": type_})), SETTINGS).ignored == (Ignored.STATUS,)


def test_the_lines_that_are_signed() -> None:
    assert sns.signed_text(msgspec.convert(notice("m"), sns.Notice)) == (
        "Message\nm\nMessageId\nid-1\nTimestamp\n2026-09-21T13:33:20.000Z\n"
        f"TopicArn\n{ARN}\nType\nNotification\n"
    )
