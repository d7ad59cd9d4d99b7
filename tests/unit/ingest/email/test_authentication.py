"""Only verdicts of somebody we trust make an author verified."""

from __future__ import annotations

import pytest

from services.ingest.channels.email.parts import Checks, Envelope
from shared.events import Flag
from tests.unit.ingest.email.mails import item

OWN = Envelope(trusted=True)
PASS = "mx.shop.example; spf=pass smtp.mailfrom=ana@customer.example; dmarc=pass (p=none) header.from=customer.example"  # noqa: E501


def test_the_verdict_of_our_own_server() -> None:
    found = item(envelope=OWN, Authentication_Results=PASS)
    assert found.author_verified
    assert found.authenticity is not None
    assert (found.authenticity.method, found.authenticity.spf, found.authenticity.dmarc) == (
        "authentication-results",
        "pass",
        "pass",
    )


@pytest.mark.parametrize(
    ("envelope", "value"),
    [
        (Envelope(), PASS),
        (OWN, PASS.replace("mx.shop.example", "mx.evil.example")),
        (OWN, PASS.replace("mx.shop.example", "mx.shop.example.evil.example")),
        (OWN, PASS.replace("dmarc=pass", "dmarc=fail")),
        (OWN, "mx.shop.example; spf=pass smtp.mailfrom=ana@customer.example"),
        (OWN, "mx.shop.example; dkim=pass header.d=bulk.example"),
        (OWN, "mx.shop.example; dkim=fail header.d=customer.example"),
        (OWN, "mx.shop.example; dkim=pass header.d=example"),
        (OWN, "mx.shop.example; dkim=pass header.d=mail.customer.example"),
        (OWN, "mx.shop.example; none"),
        (OWN, "mx.shop.example; (((("),
        (OWN, "mx.shop.example"),
    ],
)
def test_everything_else_verifies_nobody(envelope: Envelope, value: str) -> None:
    assert not item(envelope=envelope, Authentication_Results=value).author_verified


@pytest.mark.parametrize(
    "value",
    [
        "mx.shop.example; dkim=pass header.d=customer.example",
        "mx.shop.example 1; dkim=pass (2048-bit key) header.d=Customer.Example header.s=s1",
        "mx.shop.example; dkim=pass header.d=bulk.example; dkim=pass header.d=customer.example",
        "mx.shop.example; dkim=fail header.d=customer.example; dkim=pass header.d=customer.example",
        'mx.shop.example; dkim=pass reason="good signature" header.d=customer.example',
    ],
)
def test_a_signature_of_the_authors_domain_verifies(value: str) -> None:
    assert item(envelope=OWN, Authentication_Results=value).author_verified


def test_only_the_topmost_counts() -> None:
    evil = f"mx.shop.example; dmarc=fail\r\nauthentication-results: {PASS}"
    assert not item(envelope=OWN, Authentication_Results=evil).author_verified


def test_several_authors_are_never_verified() -> None:
    two = "Ana <ana@customer.example>, Ben <ben@customer.example>"
    assert not item(envelope=OWN, From=two, Authentication_Results=PASS).author_verified


def test_the_checks_of_a_provider() -> None:
    aligned = Checks(dkim="pass", dkim_domain="customer.example", spf="softfail")
    assert item(envelope=Envelope(checks=aligned)).author_verified
    foreign = Checks(dkim="pass", dkim_domain="bulk.example")
    assert not item(envelope=Envelope(checks=foreign)).author_verified
    failed = item(envelope=Envelope(checks=Checks(dmarc="fail")))
    assert Flag.UNVERIFIED_SENDER in failed.flags


def test_unknown_is_not_the_same_as_failed() -> None:
    assert item().authenticity is None


@pytest.mark.parametrize(
    ("signer", "author"),
    [("github.io", "ana.github.io"), ("eve.github.io", "github.io"), ("co.uk", "shop.co.uk")],
)
def test_a_domain_above_or_below_proves_nothing(signer: str, author: str) -> None:
    signed = Checks(dkim="pass", dkim_domain=signer)
    assert not item(envelope=Envelope(checks=signed), From=f"a@{author}").author_verified
    value = f"mx.shop.example; dkim=pass header.d={signer}"
    found = item(envelope=OWN, From=f"a@{author}", Authentication_Results=value)
    assert not found.author_verified
