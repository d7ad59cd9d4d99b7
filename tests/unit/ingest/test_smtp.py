"""The doors for mail servers over real sockets, with intake's outside in memory."""

from __future__ import annotations

import asyncio
import datetime as dt
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from deploy.embedded.ports import free_port
from services.ingest.metering import Metering
from services.ingest.registry import Registry
from services.ingest.sources import smtp_delivery
from services.ingest.sources.smtp import SmtpDoor
from services.ingest.sources.smtp_delivery import REPLIES, Outcome, Postroom
from services.ingest.sources.smtp_house import Allowance, House, peers_of, tls_of
from services.ingest.sources.smtp_mailboxes import Mailboxes
from services.ingest.sources.smtp_session import MAX_FAULTS, MAX_RECIPIENTS, _message
from shared import config
from shared.errors import Misconfigured, Transient
from shared.events import DeadLetter, FeedbackReceived
from shared.limits import Limits

SOURCES = """
[sources.support]
provider = "smtp"
options = {recipients = "help@shop.example, @care.example"}
[sources.sales]
provider = "smtp"
options = {recipients = "sales@shop.example kauf@bücher.example both@shop.example"}
[sources.copies]
provider = "smtp"
options = {recipients = "both@shop.example"}
[sources.asleep]
provider = "smtp"
paused = true
options = {recipients = "asleep@shop.example"}
[sources.slow]
provider = "smtp"
rate = 0.001
burst = 1
options = {recipients = "slow@shop.example"}
[sources.hooked]
provider = "ses"
secrets = ["not-needed"]
options = {topic_arns = "help@hooked.example"}
"""
MAIL = (
    b"From: Ada <ada@customers.example>\r\nTo: help@shop.example\r\nSubject: The lamp\r\n"
    b"Message-ID: <%b@customers.example>\r\nDate: Tue, 17 Nov 2026 10:00:00 +0000\r\n\r\n%b"
)
FIRST = "help@shop.example"
EVERYWHERE = "0.0.0.0"  # noqa: S104 (nothing is bound to it)


def mail(name: str = "1", body: bytes = b"It broke.\r\n") -> bytes:
    return MAIL % (name.encode(), body)


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 (it may be any)
            await asyncio.sleep(0.001)


class Line:
    """One end of a raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        """Return the last line of a reply."""
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 10)).decode()
            if line[3:4] != "-":
                return line.rstrip()

    async def say(self, *lines: bytes | str) -> str:
        """Send lines in one piece and return the reply to the last of them."""
        self.send(*lines)
        replies = [await self.reply() for _ in lines]
        return replies[-1]

    def send(self, *lines: bytes | str) -> None:
        encoded = (line if isinstance(line, bytes) else line.encode() for line in lines)
        self.writer.write(b"".join(line + b"\r\n" for line in encoded))

    async def envelope(self, *recipients: str, sender: str = "ada@customers.example") -> str:
        replies = [await self.say(f"MAIL FROM:<{sender}>")]
        replies += [
            await self.say(f"RCPT TO:<{recipient}>") for recipient in recipients or (FIRST,)
        ]
        return replies[-1]

    async def post(
        self, raw: bytes, *recipients: str, sender: str = "ada@customers.example"
    ) -> str:
        """Send a mail and return the reply."""
        await self.envelope(*recipients, sender=sender)
        assert (await self.say("DATA")).startswith("354")
        stuffed = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:]
        self.writer.write(stuffed + (b"" if raw.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return await self.reply()

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 10) == b""


class Office:
    """A running pair of doors."""

    def __init__(self, rig: Any, door: SmtpDoor, house: House, given: config.Ingest) -> None:
        self.rig, self.door, self.house, self.given = rig, door, house, given

    async def connect(self, greeting: str = "EHLO mx.shop.example", *, lmtp: bool = False) -> Line:
        port = self.given.lmtp_port if lmtp else self.given.smtp_port
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        assert (await line.reply()).startswith("220 tocsin")
        if greeting:
            assert (await line.say(greeting)).startswith("250")
        return line

    def feedback(self) -> list[FeedbackReceived]:
        values = self.rig.log.values("feedback.received")
        return [msgspec.json.decode(value, type=FeedbackReceived) for value in values]

    def letters(self) -> list[DeadLetter]:
        values = self.rig.log.values("dead-letters")
        return [msgspec.json.decode(value, type=DeadLetter) for value in values]

    def count(self, outcome: Outcome) -> float:
        return float(self.rig.metric("tocsin_smtp_messages_total", outcome=outcome))


Scenario = Callable[[Office], Awaitable[None]]


@pytest.fixture
def office(rig: Any, tmp_path: Path) -> Callable[..., None]:
    """Return a function that runs a scenario against open doors."""

    def play(scenario: Scenario, **changes: Any) -> None:
        async def run() -> None:
            async with _open(rig, tmp_path, changes) as opened:
                await scenario(opened)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())

    return play


@asynccontextmanager
async def _open(rig: Any, folder: Path, changes: dict[str, Any]) -> AsyncIterator[Office]:
    (folder / "sources.toml").write_text(SOURCES, "utf-8")
    registry = Registry(folder / "sources.toml")
    times = {name: changes.pop(name) for name in list(changes) if name.endswith("timeout_s")}
    held = changes.pop("held_bytes", 1_000_000)
    given = config.Ingest(
        smtp_port=free_port(), lmtp_port=free_port(), **{"smtp_max_bytes": 100_000} | changes
    )
    postroom = Postroom(
        rig.intake(0.5),
        Mailboxes(registry),
        Limits(rig.clock.monotonic),
        Metering(rig.metrics),
        rig.metrics,
        rig.clock,
    )
    house = House(
        postroom,
        Allowance(held),
        peers_of(given, "secret"),
        given.smtp_max_bytes,
        given.smtp_max_connections,
        tls_of(given),
        **times,
    )
    door = SmtpDoor(given, house)
    await door.start()
    try:
        yield Office(rig, door, house, given)
    finally:
        await door.stop()


def test_a_mail_is_acknowledged_once_it_is_written(office: Any) -> None:
    async def scenario(office: Office) -> None:
        office.rig.log.hold = True
        line = await office.connect()
        sending = asyncio.create_task(line.post(mail()))
        await until(lambda: office.rig.log._held)
        assert not sending.done()
        office.rig.log.release()
        assert (await sending).startswith("250")
        (event,) = office.feedback()
        assert (event.source, event.provider, event.text) == (
            "support",
            "smtp",
            "The lamp\n\nIt broke.",
        )
        assert event.native_id == "1@customers.example"
        assert office.count(Outcome.TAKEN) == 1
        assert (await line.say("QUIT")).startswith("221")

    office(scenario)


RECIPIENTS = {
    "help@shop.example": "250",
    "HELP@Shop.Example": "250",
    "help+t0k3n@shop.example": "250",
    "anything.at.all@care.example": "250",
    "kauf@b\u00fccher.example": "250",
    "kauf@xn--bcher-kva.example": "250",
    "nobody@shop.example": "550",
    "help@elsewhere.example": "550",
    "help@hooked.example": "550",
    "user%elsewhere.example@shop.example": "550",
    "help": "550",
    "@shop.example": "55",
    "asleep@shop.example": "450",
    "slow@shop.example": "250",
}


def test_only_mail_to_configured_recipients_is_taken(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        for recipient, code in RECIPIENTS.items():
            got = await line.envelope(recipient)
            assert got.startswith(code), (recipient, got)
            await line.say("RSET")
        assert (await line.post(mail(), "nobody@shop.example", FIRST)).startswith("250")
        assert [event.source for event in office.feedback()] == ["support"]

    office(scenario)


def test_a_source_beyond_its_rate_has_to_wait(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.post(mail("1"), "slow@shop.example")).startswith("250")
        assert (await line.envelope("slow@shop.example")).startswith("451")
        await line.say("RSET")
        assert (await line.post(mail("2"))).startswith("250")

    office(scenario)


def test_each_source_addressed_gets_the_mail_once(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        several = (FIRST, "help+a@shop.example", "both@shop.example")
        assert (await line.post(mail(), *several)).startswith("250")
        found = sorted((event.source, event.attributes["mailbox"]) for event in office.feedback())
        assert found == [("copies", "both"), ("sales", "both"), ("support", "help")]

    office(scenario)


def test_the_same_mail_again_is_recognised(office: Any) -> None:
    async def scenario(office: Office) -> None:
        for _ in range(2):
            line = await office.connect()
            assert (await line.post(mail())).startswith("250")
        assert len(office.feedback()) == 1

    office(scenario)


def test_what_cannot_be_written_must_be_sent_again(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        office.rig.log.fail_with = lambda: Transient("kafka is away")
        assert (await line.post(mail())).startswith("451")
        office.rig.log.fail_with = None
        office.rig.log.hold = True
        assert (await line.post(mail())).startswith("451")
        office.rig.log.release()
        assert (await line.post(mail())).startswith("250")
        assert len(office.feedback()) == 1
        assert office.count(Outcome.UNAVAILABLE) == 2

    office(scenario)


@pytest.mark.parametrize("raw", [b"\r\n", b"\r\n \r\n\r\n", b""])
def test_what_is_no_mail_is_kept_as_a_dead_letter(office: Any, raw: bytes) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.post(raw)).startswith("250")
        assert len(office.letters()) == 1
        assert office.feedback() == []

    office(scenario)


def test_a_mail_that_is_too_large_is_refused_and_the_session_goes_on(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.say("MAIL FROM:<a@x.example> SIZE=100001")).startswith("552")
        assert (await line.post(mail(body=b"x" * 100_001))).startswith("552")
        fits = mail(body=b"")
        fits += b"y" * (100_000 - len(fits) - 2) + b"\r\n"
        assert (await line.post(fits)).startswith("250")
        assert office.count(Outcome.TOO_LARGE) == 1

    office(scenario)


def test_mails_in_memory_share_a_bound(office: Any) -> None:
    async def scenario(office: Office) -> None:
        first, second = await office.connect(), await office.connect()
        await first.envelope()
        await first.say("DATA")
        first.writer.write(mail("1", b"z" * 60_000))
        await until(lambda: office.house.allowance._left <= 20_000)
        assert (await second.post(mail("2", b"z" * 60_000))).startswith("451 4.3.1")
        assert (await second.post(mail("3"))).startswith("250")
        assert (await first.say(b"\r\n.")).startswith("250")
        assert (await second.post(mail("2", b"z" * 60_000))).startswith("250")
        assert office.house.allowance._left == 80_000
        assert office.count(Outcome.OVERLOADED) == 1

    office(scenario, held_bytes=80_000)


def test_the_memory_of_a_connection_that_is_lost_is_free_again(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        await line.envelope()
        await line.say("DATA")
        line.writer.write(mail("1", b"z" * 50_000))
        await until(lambda: office.house.allowance._left < 1_000_000)
        line.writer.transport.abort()
        await asyncio.wait_for(office.house.empty.wait(), 5)
        await asyncio.sleep(0)
        assert office.house.allowance._left == 1_000_000
        assert office.rig.log.records == []

    office(scenario)


def test_long_lines_and_every_byte_come_through(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        for number, body in enumerate(
            (
                b"w" * 70_000 + b"\r\n",
                b"Content of 8 bit: \xc3\xa9\xff\x00 and a lone \r or \n here\r\n",
                b".\r\n..\r\n...a\r\n. \r\n",
                b"\r\n" * 20_000 + b"end\r\n",
            )
        ):
            assert (await line.post(mail(str(number), body))).startswith("250")
        texts = [event.text.removeprefix("The lamp\n\n") for event in office.feedback()]
        assert texts[0].startswith("www")
        assert "\u00e9" in texts[1]
        assert texts[2] == ".\n..\n...a\n."
        assert texts[3] == "end"

    office(scenario)


SMUGGLED = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n", b"\n\n.\r\n")


@pytest.mark.parametrize("end", SMUGGLED)
def test_nothing_but_one_end_ends_a_mail(office: Any, end: bytes) -> None:
    """What other servers take for the end would let a stranger speak in their name."""

    async def scenario(office: Office) -> None:
        line = await office.connect()
        await line.envelope()
        await line.say("DATA")
        hidden = b"MAIL FROM:<boss@shop.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n"
        inner = mail("2", b"smuggled")
        line.writer.write(mail("1", b"open" + end + hidden + inner + b"\r\n.\r\nNOOP\r\n"))
        assert (await line.reply()).startswith("250 2.0.0")
        assert (await line.reply()) == "250 OK"
        (event,) = office.feedback()
        assert "MAIL FROM" in event.text

    office(scenario)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
def test_a_mail_may_come_in_pieces_and_several_in_one(office: Any, step: int) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        one = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n%b.\r\n"
        whole = b"".join(one % mail(str(n), b"..dots\r\n") for n in range(3)) + b"QUIT\r\n"
        for at in range(0, len(whole), step):
            line.writer.write(whole[at : at + step])
            await asyncio.sleep(0)
        replies = [await line.reply() for _ in range(13)]
        assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"] * 3 + ["221"]
        assert [event.text for event in office.feedback()] == ["The lamp\n\n.dots"] * 3

    office(scenario)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.sampled_from([b".", b"..", b"a", b"", b"\r", b"\n", b".\n", b"x."])))
def test_transparency_is_undone(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    sent = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")
    received = sent + b".\r\n"
    assert _message([received]) == content
    assert _message([received[i : i + 1] for i in range(len(received))]) == content


def test_a_server_of_lmtp_answers_for_each_recipient(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect("LHLO mx", lmtp=True)
        assert (await line.say("EHLO mx")).startswith("500")
        first = await line.post(mail(), FIRST, "nobody@shop.example", "sales@shop.example")
        assert first.startswith("250")
        assert (await line.reply()).startswith("250")
        assert (await line.say("NOOP")) == "250 OK"
        assert sorted(event.source for event in office.feedback()) == ["sales", "support"]

        def fail() -> Exception:
            office.rig.log.fail_with = None
            return Transient("away")

        office.rig.log.fail_with = fail
        replies = [await line.post(mail("2"), FIRST, "sales@shop.example"), await line.reply()]
        assert sorted(reply[:3] for reply in replies) == ["250", "451"]

    office(scenario)


def test_bounces_come_with_the_null_sender(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.post(mail(), sender="")).startswith("250")
        (event,) = office.feedback()
        assert event.origin != "human"

    office(scenario)


def test_the_verdicts_of_our_mail_server_are_believed(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.post(b"X-Spam-Flag: YES\r\n" + mail())).startswith("250")
        (event,) = office.feedback()
        assert "spam" in event.flags

    office(scenario)


def test_there_is_nothing_to_be_had_but_delivery(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect("")
        assert (await line.say("MAIL FROM:<a@x.example>")).startswith("503")
        line.send("EHLO mx")
        offered: list[str] = []
        while not offered or offered[-1][3:4] == "-":
            offered.append((await line.reader.readline()).decode().rstrip())
        assert {entry[4:].split()[0] for entry in offered[1:]} == {
            "SIZE",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
        }
        known = await line.say("VRFY help@shop.example")
        assert known == await line.say("VRFY nobody@shop.example")
        for command in ("EXPN all", "AUTH PLAIN AGEAYg==", "STARTTLS", "TURN", "DATA"):
            assert (await line.say(command))[0] in "45", command

    office(scenario)


def test_recipients_and_errors_are_limited(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        await line.say("MAIL FROM:<a@x.example>")
        answers = [
            await line.say(f"RCPT TO:<a{n}@care.example>") for n in range(MAX_RECIPIENTS + 1)
        ]
        assert [answer[:3] for answer in answers] == ["250"] * MAX_RECIPIENTS + ["452"]
        await line.say("RSET")
        await line.say("MAIL FROM:<a@x.example>")
        for _ in range(MAX_FAULTS):
            last = await line.say("RCPT TO:<nobody@shop.example>")
        assert last.startswith("550")
        assert (await line.say(f"RCPT TO:<{FIRST}>")).startswith("250")
        for _ in range(MAX_FAULTS):
            last = await line.say("RCPT nobody")
        assert last.startswith("501")
        assert (await line.reply()).startswith("421")
        assert await line.ended()

    office(scenario)


HOSTILE = (
    b"MAIL FROM:<" + b"(" * 900,
    b"RCPT TO:<" + b"\xff" * 50 + b">",
    b"MAIL FROM:<a@x.example> BODY=BINARYMIME",
    b"MAIL FROM:<",
    b"RCPT TO:",
    b"EHLO",
    b"\x00\x01\x02",
    b"\xff\xfe",
    b"",
    b"x" * 100_000,
    b"BDAT 5",
)


@pytest.mark.parametrize("command", HOSTILE)
def test_nonsense_is_answered_and_the_session_goes_on(office: Any, command: bytes) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        assert (await line.say(command))[0] in "45"
        assert (await line.post(mail())).startswith("250")

    office(scenario)


def test_who_does_nothing_is_cut(office: Any) -> None:
    async def scenario(office: Office) -> None:
        idle, slow = await office.connect(), await office.connect()
        await slow.envelope()
        await slow.say("DATA")
        slow.writer.write(b"Subject: never")
        assert (await slow.reply()).startswith("421")
        assert (await idle.reply()).startswith("421")
        assert await slow.ended()
        assert await idle.ended()

    office(scenario, command_timeout_s=0.4, data_timeout_s=0.2)


def test_connections_are_limited(office: Any) -> None:
    async def scenario(office: Office) -> None:
        lines = [await office.connect() for _ in range(3)]
        refused = Line(*await asyncio.open_connection("127.0.0.1", office.given.smtp_port))
        assert (await refused.reply()).startswith("421")
        assert await refused.ended()
        await lines[0].say("QUIT")
        await until(lambda: len(office.house.guests) == 2)
        assert (await (await office.connect()).post(mail())).startswith("250")

    office(scenario, smtp_max_connections=3)


def test_strangers_are_turned_away(office: Any) -> None:
    async def scenario(office: Office) -> None:
        line = Line(*await asyncio.open_connection("127.0.0.1", office.given.smtp_port))
        assert (await line.reply()).startswith("554")
        assert await line.ended()

    office(scenario, smtp_peers="192.0.2.0/24")


def test_who_stops_says_so(office: Any) -> None:
    async def scenario(office: Office) -> None:
        idle, sending = await office.connect(), await office.connect()
        office.rig.log.hold = True
        posted = asyncio.create_task(sending.post(mail()))
        await until(lambda: office.rig.log._held)
        draining = asyncio.create_task(office.door.drain(5.0))
        assert (await idle.reply()).startswith("421")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", office.given.smtp_port)
        office.rig.log.release()
        assert (await posted).startswith("250")
        assert (await sending.reply()).startswith("421")
        await asyncio.wait_for(draining, 5)

    office(scenario)


def test_a_mail_that_is_still_coming_in_does_not_hold_up_the_end(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.sources.smtp.RECEIVING_S", 0.1)

    async def scenario(office: Office) -> None:
        line = await office.connect()
        await line.envelope()
        await line.say("DATA")
        line.writer.write(b"Subject: half")
        await asyncio.wait_for(office.door.drain(5.0), 2)
        assert (await line.reply()).startswith("421")
        assert office.rig.log.records == []

    office(scenario)


def test_a_bug_costs_one_mail_only(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()

        def broken(*_: object) -> None:
            raise KeyError("secret@customers.example")

        with monkeypatch.context() as patch, capture_logs():
            patch.setattr(office.house.postroom, "_entry", broken)
            reply = await line.post(mail())
            line = await office.connect("LHLO mx", lmtp=True)
            replies = [await line.post(mail(), FIRST, "sales@shop.example"), await line.reply()]
        assert {reply, *replies} == {REPLIES[Outcome.UNAVAILABLE]}
        assert (await line.say("NOOP")) == "250 OK"
        assert (await line.post(mail())).startswith("250")

    office(scenario)


@pytest.mark.parametrize("size", [10, 90_000])
def test_a_mail_that_breaks_its_parser_is_kept_as_a_dead_letter(
    office: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    async def scenario(office: Office) -> None:
        line = await office.connect("LHLO mx", lmtp=True)
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(smtp_delivery, "LARGE_BYTES", 50_000)
            patch.setattr(smtp_delivery, "parse_message", broken)
            assert (await line.post(mail(body=b"x" * size), FIRST)).startswith("250")
        (letter,) = office.letters()
        assert (letter.reason, letter.detail) == ("failed", "the parser failed: RecursionError")
        assert [entry["event"] for entry in logs] == ["a mail broke its parser"]

    office(scenario)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
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


def test_with_a_certificate_mail_is_taken_over_tls_only(office: Any, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))

    def send(port: int) -> tuple[int, int]:
        with smtplib.SMTP("localhost", port, timeout=10) as client:
            client.ehlo()
            plain = client.mail("ada@customers.example")[0]
            client.starttls(context=context)
            client.sendmail("ada@customers.example", [FIRST], mail("1", b"y" * 90_000))
            return plain, client.noop()[0]

    async def scenario(office: Office) -> None:
        plain, after = await asyncio.to_thread(send, office.given.smtp_port)
        assert (plain, after) == (530, 250)
        assert len(office.feedback()) == 1

    office(
        scenario,
        smtp_tls_cert=str(certificate / "cert.pem"),
        smtp_tls_key=str(certificate / "key.pem"),
    )


def test_with_a_certificate_lmtp_takes_mail_over_tls_only(office: Any, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))

    async def scenario(office: Office) -> None:
        line = await office.connect("", lmtp=True)
        line.send("LHLO mx")
        offered: list[str] = []
        while not offered or offered[-1][3:4] == "-":
            offered.append((await line.reader.readline()).decode().rstrip())
        assert "250-STARTTLS" in offered
        for command in ("MAIL FROM:<a@x.example>", f"RCPT TO:<{FIRST}>", "DATA"):
            assert (await line.say(command)).startswith("530"), command
        assert (await line.say("STARTTLS")).startswith("220")
        await line.writer.start_tls(context, server_hostname="localhost")
        assert (await line.say("MAIL FROM:<a@x.example>")).startswith("503")
        assert (await line.say("LHLO mx")).startswith("250")
        assert (await line.post(mail(), FIRST, "sales@shop.example")).startswith("250")
        assert (await line.reply()).startswith("250")
        assert sorted(event.source for event in office.feedback()) == ["sales", "support"]

    office(
        scenario,
        smtp_tls_cert=str(certificate / "cert.pem"),
        smtp_tls_key=str(certificate / "key.pem"),
    )


def test_commands_before_tls_are_not_carried_into_it(office: Any, certificate: Path) -> None:
    async def scenario(office: Office) -> None:
        line = await office.connect()
        line.send("STARTTLS", "MAIL FROM:<mallory@x.example>")
        assert (await line.reply()).startswith("220")
        context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        loop = asyncio.get_running_loop()
        await line.writer.start_tls(context, server_hostname="localhost")
        assert loop is asyncio.get_running_loop()
        assert (await line.say("RCPT TO:<help@shop.example>")).startswith("503")

    office(
        scenario,
        smtp_tls_cert=str(certificate / "cert.pem"),
        smtp_tls_key=str(certificate / "key.pem"),
    )


@pytest.mark.parametrize(
    ("given", "key", "names"),
    [
        ({"smtp_host": EVERYWHERE}, "secret", "ingest.smtp_peers"),
        ({"smtp_host": EVERYWHERE, "smtp_peers": "10.0.0.0/8"}, "change-me", "pseudonym_key"),
        ({"smtp_peers": "10.0.0.1/8"}, "secret", "ingest.smtp_peers"),
    ],
)
def test_a_network_is_served_only_for_peers_that_are_named(
    given: dict[str, str], key: str, names: str
) -> None:
    with pytest.raises(Misconfigured, match=names):
        peers_of(config.Ingest(**given), key)  # type: ignore[arg-type]


def test_named_peers_and_the_loopback_will_do() -> None:
    assert peers_of(config.Ingest(), "change-me")
    assert peers_of(config.Ingest(smtp_host=EVERYWHERE, smtp_peers="10.0.0.0/8,fd00::/8"), "secret")


def test_a_certificate_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="smtp_tls_cert"):
        tls_of(config.Ingest(smtp_tls_cert=str(tmp_path / "none.pem")))
