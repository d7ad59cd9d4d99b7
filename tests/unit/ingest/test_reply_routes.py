"""Where a customer can be answered: which items tell it, that it is sealed, and whom it is never of."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
import pytest

from services.ingest.channels.email.parts import Checks, Envelope
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.channels.providers import google_play, meta, twilio
from services.ingest.channels.replying import MAX_REFERENCES
from services.ingest.prepare import Door, Prepared, Preparer
from shared import codec, routes, topics
from shared.clock import ManualClock
from shared.events import Channel, Flag, Operation, Origin, ReplyRoute, Role
from shared.sealing import Sealer
from shared.topics import Names
from tests.unit.ingest.email.mails import NOW, item_with
from tests.unit.ingest.email.mails import item as mail

SEALER = Sealer(b"for the tests")
PROVEN = Envelope(checks=Checks(dmarc="pass"))


def prepared(item: Item, door: Door | None = None, sealer: Sealer | None = SEALER) -> Prepared:
    preparer = Preparer("acme", b"secret", Names(), ManualClock(NOW), sealer=sealer)
    return preparer.prepare(item, door or Door(source="inbox", provider="smtp"))


def kept(item: Item, door: Door | None = None) -> list[ReplyRoute]:
    decoder = codec.Decoder[ReplyRoute](topics.REPLY_ROUTES.carries)
    return [
        decoder.decode(record.value)
        for record in prepared(item, door).extra
        if record.topic == "reply.routes"
    ]


def route(item: Item, door: Door | None = None) -> routes.Route:
    found = kept(item, door)
    assert found
    [one] = {routes.open_sealed(each, SEALER) for each in found}
    return one


def plain(channel: Channel, author: str | None, **fields: object) -> Item:
    return msgspec.structs.replace(
        Item(native_id="1", channel=channel, text="It broke.", author=author), **fields
    )


def test_a_mail_is_answered_in_its_thread() -> None:
    found = route(
        mail(Message_ID="<m3@c.example>", References="<m1@customer.example> <m2@shop.example>")
    )
    assert (found.channel, found.provider, found.source) == (Channel.EMAIL, "smtp", "inbox")
    assert (found.address, found.name) == ("ana@customer.example", "Ana Prowse")
    assert (found.subject, found.reply_to) == ("Lamp arrived broken", "m3@c.example")
    assert found.references == ("m1@customer.example", "m2@shop.example", "m3@c.example")
    assert found.at == 1_772_438_400_000  # the Date of the mail


def test_the_thread_and_the_customer_have_a_route_each_in_the_customers_partition() -> None:
    made = prepared(mail())
    assert made.event is not None
    event = made.event
    records = [record for record in made.extra if record.topic == "reply.routes"]
    ids = [routes.route_id(event.record_key, "inbox", one) for one in (event.thread_id, None)]
    assert [record.key.decode() for record in records] == ids
    assert all(record.owner == event.record_key.encode() for record in records)
    assert all(one.startswith(f"{event.record_key}/") for one in ids)
    assert len({record.id for record in records}) == 2


def test_nothing_of_the_address_can_be_read_without_the_key() -> None:
    for record in prepared(mail()).extra:
        assert b"ana" not in record.value
        assert b"customer.example" not in record.value


def test_without_a_key_nothing_is_written() -> None:
    made = prepared(mail(), sealer=None)
    assert made.event is not None
    assert made.extra == ()
    preparer = Preparer("acme", b"secret", Names(), ManualClock())
    assert "reply.routes" not in preparer.topics


def test_the_feedback_is_the_same_with_routes_as_without() -> None:
    with_key, without = prepared(mail()), prepared(mail(), sealer=None)
    assert with_key.record.value == without.record.value
    assert with_key.record.id == without.record.id


@pytest.mark.parametrize(
    ("envelope", "reply_to", "address"),
    [
        (PROVEN, "Ana <ana@private.example>", "ana@private.example"),
        (PROVEN, "a@x.example, b@y.example", "ana@customer.example"),
        (PROVEN, "", "ana@customer.example"),
        (PROVEN, "not an address", "ana@customer.example"),
        (Envelope(), "Mallory <mallory@elsewhere.example>", "ana@customer.example"),
        (PROVEN, "noreply@customer.example", "ana@customer.example"),
        (PROVEN, "Support@shop.example", "ana@customer.example"),
    ],
)
def test_reply_to_is_followed_only_of_a_sender_that_is_proven(
    envelope: Envelope, reply_to: str, address: str
) -> None:
    assert route(mail(envelope=envelope, Reply_To=reply_to)).address == address
    assert kept(mail(envelope=Envelope(checks=Checks(dmarc="fail")), Reply_To=reply_to)) == []


def test_of_a_contact_form_the_person_is_answered() -> None:
    found = route(item_with({"From": "forms@web.example", "Reply-To": "Ben <ben@b.example>"}))
    assert (found.address, found.name) == ("ben@b.example", "Ben")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "list"},
        {"X-Auto-Response-Suppress": "All"},
        {"From": "no-reply@shop.example"},
        {"From": "support@shop.example"},
        {"X-Tocsin-Loop": "forged"},
        {"Subject": "Out of office: back on Monday"},
    ],
)
def test_machines_and_whoever_must_not_be_answered_have_no_route(headers: dict[str, str]) -> None:
    assert kept(item_with(headers)) == []


def test_a_long_thread_keeps_its_first_and_its_last_messages() -> None:
    before = [f"m{number}@customer.example" for number in range(40)]
    found = route(mail(References=" ".join(f"<{one}>" for one in before), Message_ID="<x@y.z>"))
    assert found.references[0] == before[0]
    assert found.references[1:] == (*before[-(MAX_REFERENCES - 2) :], "x@y.z")


def test_a_mail_without_id_is_answered_all_the_same() -> None:
    found = route(mail(Message_ID=None))
    assert (found.address, found.reply_to, found.references) == ("ana@customer.example", "", ())


def test_authors_that_are_addresses_or_numbers_tell_the_way() -> None:
    by_mail = route(plain(Channel.EMAIL, "Ana@X.example", title="Lamp", display_name="Ana"))
    assert (by_mail.address, by_mail.subject, by_mail.name) == ("ana@x.example", "Lamp", "Ana")
    door = Door(source="line", provider="sipgate", settings=Settings(name="line", region="DE"))
    assert route(plain(Channel.PHONE, "030 123456"), door).address == "+4930123456"
    assert len(kept(plain(Channel.PHONE, "030 123456"), door)) == 1  # there is no thread


@pytest.mark.parametrize(
    "item",
    [
        plain(Channel.EMAIL, None),
        plain(Channel.EMAIL, "somebody"),
        plain(Channel.PHONE, "anonymous"),
        plain(Channel.PHONE, "12345"),  # without a country it is nobody's number
        plain(Channel.SOCIAL, "ana@x.example"),
        plain(Channel.OTHER, "ana@x.example"),
        plain(Channel.EMAIL, "ana@x.example", may_auto_respond=False),
        plain(Channel.EMAIL, "ana@x.example", role=Role.AGENT),
        plain(Channel.EMAIL, "ana@x.example", role=Role.UNKNOWN),
        plain(Channel.EMAIL, "ana@x.example", origin=Origin.BULK),
        plain(Channel.EMAIL, "ana@x.example", op=Operation.DELETE),
        plain(Channel.EMAIL, "ana@x.example", flags=(Flag.BACKFILL,)),
    ],
)
def test_what_cannot_or_must_not_be_answered_has_no_route(item: Item) -> None:
    assert prepared(item).event is not None
    assert kept(item) == []


def test_what_is_imported_has_no_route() -> None:
    door = Door(source="inbox", flags=(Flag.BACKFILL,))
    assert kept(plain(Channel.EMAIL, "ana@x.example"), door) == []


def hooked(body: bytes, content_type: str) -> Hook:
    return Hook(
        method="POST", url="https://x.example/", headers={"content-type": content_type}, body=body,
        now=0,
    )  # fmt: skip


def test_a_text_message_is_answered_from_the_number_that_it_came_to() -> None:
    form = {"MessageSid": "SM1", "From": "+4915112345678", "To": "+493012345", "Body": "Broken!"}
    [item] = twilio.parse(
        hooked(urlencode(form).encode(), "application/x-www-form-urlencoded"), Settings(name="sms")
    ).items
    found = route(item, Door(source="sms", provider="twilio"))
    assert (found.provider, found.address, found.account, found.reply_to) == (
        "twilio", "+4915112345678", "+493012345", "SM1",
    )  # fmt: skip


def test_direct_messages_are_answered_by_the_id_of_the_person() -> None:
    event = {"sender": {"id": "p1"}, "recipient": {"id": "page"}, "timestamp": 1_700_000_000_000}
    entry = {"id": "page", "messaging": [event | {"message": {"mid": "mid.1", "text": "Broken!"}}]}
    body = msgspec.json.encode({"object": "page", "entry": [entry]})
    [item] = meta.parse(hooked(body, "application/json"), Settings(name="fb")).items
    found = route(item, Door(source="fb", provider="meta"))
    assert (found.provider, found.address, found.account) == ("messenger", "p1", "page")
    assert (found.reply_to, found.at) == ("mid.1", 1_700_000_000_000)


def test_whatsapp_is_answered_by_its_own_number() -> None:
    value = {
        "metadata": {"phone_number_id": "106"},
        "contacts": [{"wa_id": "491511", "profile": {"name": "Ana"}}],
        "messages": [
            {"id": "wamid.1", "from": "491511", "timestamp": "1700000000", "type": "text",
             "text": {"body": "Broken!"}},
        ],
    }  # fmt: skip
    change = {"field": "messages", "value": value}
    body = msgspec.json.encode(
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    )
    [item] = meta.parse(hooked(body, "application/json"), Settings(name="wa")).items
    found = route(item, Door(source="wa", provider="meta"))
    assert (found.provider, found.address, found.account, found.reply_to) == (
        "whatsapp", "491511", "106", "wamid.1",
    )  # fmt: skip


def test_a_review_is_answered_under_its_id() -> None:
    comment = {"userComment": {"text": "Bad", "lastModified": {"seconds": "1700000000"}}}
    body = msgspec.json.encode({"reviews": [{"reviewId": "r1", "comments": [comment]}]})
    settings = Settings(name="play", options={"package": "com.example.app"})
    [item] = google_play.read_page(body, settings).delivery.items
    found = route(item, Door(source="play", provider="google_play"))
    assert (found.channel, found.address, found.account) == (
        Channel.REVIEWS, "r1", "com.example.app",
    )  # fmt: skip


def test_what_we_sent_by_a_program_comes_back_as_no_answer_of_a_person() -> None:
    def echo(**message: object) -> Item:
        event = {"sender": {"id": "page"}, "recipient": {"id": "p1"}, "timestamp": 1}
        said = {"mid": "mid.2", "text": "We are sorry.", "is_echo": True} | message
        body = msgspec.json.encode(
            {"object": "page", "entry": [{"id": "page", "messaging": [event | {"message": said}]}]}
        )
        [item] = meta.parse(hooked(body, "application/json"), Settings(name="fb")).items
        return item

    assert echo().role is Role.AGENT
    assert echo(metadata="of another program").role is Role.AGENT
    ours = echo(metadata=f"{routes.AUTOMATIC}00ff")
    assert (ours.role, ours.origin) == (Role.BOT, Origin.OWN_ECHO)
    assert kept(ours) == []
    customers = echo(metadata=f"{routes.AUTOMATIC}00ff", is_echo=False)
    assert customers.role is Role.BOT  # what the page sends is ours whatever it says
