"""The collected real mails, where they lie beside the checkout."""

from __future__ import annotations

import pytest

from services.ingest.channels.item import Item
from tests.data.email_payloads import BOUNCES, NO_BOUNCES, PAYLOADS, groups, outcome

pytestmark = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the collected mails are not here")


def test_every_mail_that_says_something_becomes_an_item() -> None:
    rejected = [
        path.name
        for group, files in groups(PAYLOADS)
        for path in files
        if not isinstance(outcome(path), Item)
    ]
    assert sorted(rejected) == ["000.eml", "007.eml"]  # these consist of boundaries only


def test_bounces_are_recognised_and_nothing_else_is() -> None:
    found = {
        path.name: result.origin in BOUNCES
        for group, files in groups(PAYLOADS)
        for path in files
        if isinstance(result := outcome(path), Item)
    }
    bounces = {name: bounced for name, bounced in found.items() if name.endswith(".txt")}
    assert sum(bounces.values()) >= 0.97 * len(bounces)
    assert {name for name, bounced in bounces.items() if not bounced} == NO_BOUNCES
    assert not any(bounced for name, bounced in found.items() if name.endswith(".eml"))
