"""What requests of PagerDuty and Slack say, and who they are from."""

from __future__ import annotations

import contextlib
import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.callbacks import pagerduty as pd
from services.notifier.callbacks import slack as sl
from services.notifier.callbacks.doors import door as made_door
from services.notifier.callbacks.heard import Door, Heard, Ignored, Malformed, Page, page_of
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import Making, secrets_of
from services.notifier.sinks.outbound import Outbound
from services.notifier.sinks.reference import page_key
from services.notifier.sinks.slack import Block, message
from shared.config import Config, Notifier
from shared.errors import Misconfigured
from shared.events import CaseEvent, CaseEventKind, Cause, Notification, NotificationKind
from shared.signatures import Unauthentic
from tests.unit.notifier.callbacks import site
from tests.unit.notifier.callbacks.site import CASE, NEXT, PAGE, PEOPLE, SECRET, door, signed


def button_of(page: Page) -> str:
    """Return the value of the button in the message that the sink of Slack sends for a page."""
    event = CaseEvent(
        event_id="e1",
        kind=CaseEventKind.ESCALATION_TRIGGERED,
        case_id=page.case_id,
        case_seq=1,
        tenant=page.tenant,
        at=0,
        recorded_at=0,
        cause=Cause.FEEDBACK,
        epoch=page.epoch,
    )
    sent = message(
        Notification(
            notification_id="n1",
            sink="my-slack",
            kind=NotificationKind.PAGE,
            tenant=page.tenant,
            cause=event,
            planned_at=0,
            case_id=page.case_id,
            epoch=page.epoch,
        ),
        {},
    )
    (button,) = [one for block in sent.blocks for one in _elements(block) if "action_id" in one]
    value = button["value"]
    assert isinstance(value, str)
    return value


def _elements(block: Block) -> list[Block]:
    return cast("list[Block]", block.get("elements", []))


# ---- pages


@pytest.mark.parametrize(
    "key",
    [
        ":3",
        "acme:3",
        "acme:c1:3",
        CASE,
        f"{CASE}:",
        f"{CASE}:-1",
        f"{CASE}:٣",
        f"{CASE}:3.0",
        f"{CASE}:{'1' * 10}",
        f"{CASE}0:3",
    ],
)
def test_what_is_no_page_of_ours_is_none(key: str) -> None:
    assert page_of(key) is None


def test_a_page_knows_its_tenant() -> None:
    assert page_of(page_key(*PAGE)) == PAGE
    assert PAGE.tenant == "acme"


# ---- PagerDuty


def test_an_acknowledgement_of_pagerduty_is_heard() -> None:
    heard = pd.parse(site.pagerduty())
    assert isinstance(heard, Heard)
    assert heard.page == PAGE
    assert heard.event_id == "01EVENT"
    assert heard.name == "Anna Smith"
    assert door("pagerduty").who(heard) == "anna"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("pagey.ping", Ignored.PING),
        ("incident.unacknowledged", Ignored.OTHER_EVENT),
        ("incident.resolved", Ignored.OTHER_EVENT),
        ("incident.reassigned", Ignored.OTHER_EVENT),
        ("incident.invented_later", Ignored.OTHER_EVENT),
    ],
)
def test_other_events_of_pagerduty_ask_nothing(kind: str, why: Ignored) -> None:
    assert pd.parse(site.pagerduty(kind)) is why


@pytest.mark.parametrize("key", ["", "srv01/http", "acme:c1:3", f"{CASE}:x"])
def test_incidents_of_others_are_not_ours(key: str) -> None:
    assert pd.parse(site.pagerduty(key=key)) is Ignored.NOT_OURS


def test_an_event_of_nobody_is_the_integrations() -> None:
    event = json.loads(site.pagerduty())
    event["event"]["agent"] = None
    heard = pd.parse(json.dumps(event).encode())
    assert isinstance(heard, Heard)
    assert door("pagerduty").who(heard) == "integration:my-pagerduty"


def test_somebody_is_found_by_address_whatever_its_case() -> None:
    heard = Heard("1", PAGE, (("pagerduty_user", "POTHER"), ("email", "Anna@Example.com")))
    assert door("pagerduty").who(heard) == "anna"


def test_an_empty_address_is_nobodys() -> None:
    heard = Heard("1", PAGE, (("fax", ""),))
    assert door("slack").who(heard) == "integration:my-slack"


def test_one_of_several_signatures_is_enough() -> None:
    body = site.pagerduty()
    for ours in ((SECRET,), (SECRET, NEXT), (NEXT, SECRET)):
        for theirs in ((SECRET,), ("another", SECRET)):
            pd.verify(door("pagerduty", *ours), signed(body, *theirs), body, 0)


@pytest.mark.parametrize(
    "header",
    ["", "v1=", "v1=00", "v0=00", "v1=ü", "v1=\udcff", ",".join(["v1=00"] * 11)],
)
def test_a_signature_that_is_none_proves_nothing(header: str) -> None:
    with pytest.raises(Unauthentic):
        pd.verify(door("pagerduty"), {"X-PagerDuty-Signature": header}, b"{}", 0)


def test_a_signature_of_another_body_or_version_proves_nothing() -> None:
    body = site.pagerduty()
    headers = signed(body)
    with pytest.raises(Unauthentic):
        pd.verify(door("pagerduty"), headers, body + b" ", 0)
    right = headers["X-PagerDuty-Signature"]
    for wrong in (right.removeprefix("v1="), right.replace("v1=", "v2=")):
        with pytest.raises(Unauthentic):
            pd.verify(door("pagerduty"), {"X-PagerDuty-Signature": wrong}, body, 0)


# ---- Slack


def test_a_pressed_button_of_slack_is_heard() -> None:
    heard = sl.parse(site.slack(button_of(PAGE)))
    assert isinstance(heard, Heard)
    assert heard.page == PAGE
    assert heard.text == "Page: the brakes failed"
    assert heard.reply_to.startswith("https://hooks.slack.com/")
    assert door("slack").who(heard) == "anna"


def test_two_presses_are_two_events_and_one_sent_twice_is_one() -> None:
    first, again = sl.parse(site.slack()), sl.parse(site.slack())
    other = sl.parse(site.slack(user="U0BERT"))
    assert isinstance(first, Heard)
    assert isinstance(again, Heard)
    assert isinstance(other, Heard)
    assert first.event_id == again.event_id != other.event_id


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (site.slack(type="view_submission"), Ignored.OTHER_EVENT),
        (site.slack(action="open"), Ignored.OTHER_EVENT),
        (site.slack(actions=[]), Ignored.OTHER_EVENT),
        (site.slack(value=""), Ignored.NOT_OURS),
        (site.slack(value=f"{CASE}:"), Ignored.NOT_OURS),
        (site.slack(value="somebody else's"), Ignored.NOT_OURS),
    ],
)
def test_other_payloads_of_slack_ask_nothing(body: bytes, why: Ignored) -> None:
    assert sl.parse(body) is why


@pytest.mark.parametrize(
    "body", [b"", b"payload", b"payload=", b"other=1", b"payload=%FF", b"\xff"]
)
def test_what_is_no_payload_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        sl.parse(body)


@given(st.binary(max_size=200) | st.sampled_from([site.slack(), site.pagerduty()]))
def test_no_bytes_break_the_parsers(body: bytes) -> None:
    for parse in (pd.parse, sl.parse):
        with contextlib.suppress(Malformed):
            assert isinstance(parse(body), Heard | Ignored)


@given(st.text(max_size=40), st.integers(0, 999_999_999))
def test_the_value_of_a_button_leads_back_to_its_page(customer: str, epoch: int) -> None:
    case_id = f"acme:{customer.replace(':', '')}:0123456789ab"
    heard = sl.parse(site.slack(button_of(Page(case_id, epoch))))
    assert isinstance(heard, Heard)
    assert heard.page == Page(case_id, epoch)


# ---- doors


def opened(settings: SinkSettings, private: bool = False) -> Door | None:
    config = Config(notifier=Notifier(sinks_file="my.toml", allow_private=private))
    environ = {"PD": "new"}
    return made_door(Making("s1", settings, Outbound(), PEOPLE, config, secrets_of(environ)))


@pytest.mark.parametrize(
    "settings",
    [
        SinkSettings(kind="slack", url="https://hooks.slack.com/x"),
        SinkSettings(kind="webhook", secrets=("whsec_x",)),
        SinkSettings(kind="slack", secrets=("s",), disabled=True),
    ],
)
def test_what_is_not_called_back_or_has_no_secret_is_no_door(settings: SinkSettings) -> None:
    assert opened(settings) is None


def test_a_sink_that_is_called_back_is_a_door() -> None:
    settings = SinkSettings(kind="pagerduty", secrets=("env:PD", "old"), tenants=("acme",))
    keys = (b"new", b"old")
    assert opened(settings) == Door("s1", "pagerduty", keys, ("acme",), PEOPLE)
    assert opened(settings, True) == Door("s1", "pagerduty", keys, ("acme",), PEOPLE, True)


def test_a_secret_of_a_door_that_is_missing_is_named() -> None:
    with pytest.raises(Misconfigured) as raised:
        opened(SinkSettings(kind="slack", secrets=("old", "env:NO")))
    says = "my.toml: [sinks.s1]: secrets[1]: the environment has no NO"
    assert str(raised.value) == says
