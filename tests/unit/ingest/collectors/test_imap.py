"""Reading a mailbox, against a server that says what a test has it say."""

from __future__ import annotations

import asyncio
import re
import socketserver
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from services.ingest.channels.email import message
from services.ingest.channels.provider import Credentials, Settings
from services.ingest.channels.providers.imap import PROVIDER
from services.ingest.channels.rejection import Refusal
from services.ingest.collectors import imap, imap_mail, imap_session
from services.ingest.collectors.imap import Position, collector
from services.ingest.collectors.page import Page, Refused, Surroundings
from services.ingest.registry import Configured, Source
from shared.clock import ManualClock
from shared.errors import Misconfigured, Transient

PASSWORD = "pässword of the box"


def mail(name: str, body: bytes = b"It broke.\r\n") -> bytes:
    return b"From: a@x.example\r\nMessage-ID: <%b@x.example>\r\n\r\n%b" % (name.encode(), body)


class Server(socketserver.ThreadingTCPServer):
    """Speaks as much IMAP as is needed. ``mails`` by number; ``says`` replaces what a command gets."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.mails: dict[int, bytes] = {}
        self.sizes: dict[int, int] = {}
        self.old: set[int] = set()
        self.damaged: dict[str, set[int]] = {}
        self.left_out: dict[str, set[int]] = {}
        self.announces = self.read_only = False
        self.uidvalidity = 7
        self.capability = "IMAP4rev1 AUTH=PLAIN IDLE"
        self.says: dict[str, str] = {}
        self.commands: list[str] = []
        self.logins = 0
        self.arrived = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def asked(self, what: str) -> list[str]:
        return [command for command in self.commands if command.startswith(what)]


class Connection(socketserver.StreamRequestHandler):
    server: Server

    def say(self, text: str | bytes) -> None:
        self.wfile.write((text if isinstance(text, bytes) else text.encode()) + b"\r\n")

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            command = rest.upper()
            self.server.commands.append(rest)
            instead = next((v for k, v in self.server.says.items() if command.startswith(k)), None)
            if instead is not None:
                if not instead:
                    return
                self.say(instead.replace("TAG", tag))
                continue
            name = "_".join(command.split()[: 2 if command.startswith("UID") else 1]).lower()
            getattr(self, name)(tag, rest)

    def capability(self, tag: str, _: str) -> None:
        self.say(f"* CAPABILITY {self.server.capability}")
        self.say(f"{tag} OK done")

    def authenticate(self, tag: str, _: str) -> None:
        self.say("+ ")
        self.rfile.readline()
        self.server.logins += 1
        self.say(f"{tag} OK in")

    login = authenticate

    def select(self, tag: str, _: str) -> None:
        self.say(f"* {len(self.server.mails)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.server.uidvalidity}]")
        self.say(f"* OK [UIDNEXT {max(self.server.mails, default=0) + 1}]")
        self.say(f"{tag} OK [READ-{'ONLY' if self.server.read_only else 'WRITE'}]")

    examine = select

    def uid_search(self, tag: str, rest: str) -> None:
        found = re.search(r"(\d+):(\d+|\*)", rest)
        assert found
        low, high = int(found[1]), 2**32 if found[2] == "*" else int(found[2])
        uids = [uid for uid in self.server.mails if low <= uid <= high]
        if found[2] == "*" and not uids and self.server.mails:
            uids = [max(self.server.mails)]
        if "SINCE" in rest:
            uids = [uid for uid in uids if uid not in self.server.old]
        if self.server.announces:
            self.say(f"* {len(self.server.mails)} EXISTS")
        self.say("* SEARCH " + " ".join(map(str, uids)))
        self.say(f"{tag} OK done")

    def uid_fetch(self, tag: str, rest: str) -> None:
        uids = [int(uid) for uid in rest.split()[2].split(",")]
        part = "SIZE" if "RFC822.SIZE" in rest else "BODY"
        if self.server.damaged.get(part, set()) & set(uids):
            self.say(f"{tag} NO [SERVERBUG] a message is damaged")
            return
        for uid in uids:
            raw = self.server.mails.get(uid)
            if raw is None or uid in self.server.left_out.get(part, set()):
                continue
            if "RFC822.SIZE" in rest:
                size = self.server.sizes.get(uid, len(raw))
                self.say(f"* {uid} FETCH (UID {uid} RFC822.SIZE {size})")
            elif "HEADER" in rest:
                self._literal(uid, "BODY[HEADER]<0>", raw.partition(b"\r\n\r\n")[0])
            elif b"poison" in raw and len(uids) > 1:
                self.say(f"* {uid} FETCH (UID {uid} BODY[] (((")
            elif b"poison" in raw:
                self.say(f"* {uid} FETCH (UID {uid} BODY[] )))")
            else:
                self._literal(uid, "BODY[]", raw)
        self.say(f"{tag} OK done")

    def _literal(self, uid: int, name: str, raw: bytes) -> None:
        self.wfile.write(f"* {uid} FETCH (UID {uid} {name} {{{len(raw)}}}\r\n".encode())
        self.wfile.write(raw + b")\r\n")

    def uid_store(self, tag: str, _: str) -> None:
        self.say(f"{tag} OK done")

    def noop(self, tag: str, _: str) -> None:
        self.say(f"{tag} OK done")

    def idle(self, tag: str, _: str) -> None:
        self.say("+ idling")
        self.say("* OK Still here")
        if self.server.arrived.wait(5):
            self.server.arrived.clear()
            self.say(f"* {len(self.server.mails)} EXISTS")
        self.rfile.readline()
        self.say(f"{tag} OK done")


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.shutdown()
    found.server_close()


def _source(server: Server, secrets: tuple[str, ...] = (PASSWORD,), **more: str) -> Configured:
    given = {"host": "127.0.0.1", "port": str(server.port), "tls": "no", "user": "ada"}
    settings = Settings(name="box", options=given | {"timeout_s": "2"} | more)
    credentials = Credentials(secrets=tuple(secret.encode() for secret in secrets))
    return Configured("box", Source(provider="imap"), PROVIDER, settings, credentials)


def _around(slept: list[float] | None = None) -> Surroundings:
    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)
        await asyncio.sleep(0)

    return Surroundings(cast("Any", None), ManualClock(), sleep, cast("Any", None))


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 (it may be any)
            await asyncio.sleep(0.01)


Scenario = Callable[[AsyncGenerator[Page, None]], Awaitable[None]]


def read(source: Configured, scenario: Scenario, cursor: str | None = None) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            async with aclosing(collector(source, _around()).pages(cursor)) as pages:
                await scenario(pages)

    asyncio.run(run())


async def names(pages: AsyncGenerator[Page, None], wanted: int) -> list[str]:
    """Return the ids of the next ``wanted`` items, each page confirmed."""
    found: list[str] = []
    while len(found) < wanted:
        page = await anext(pages)
        found += [item.native_id.partition("@")[0] for item in page.delivery.items]
        await page.confirm()
    return found


def test_mail_is_read_in_pages_and_marked_when_confirmed(server: Server) -> None:
    server.mails = {uid: mail(str(uid)) for uid in range(1, 121)}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert Position.of((await anext(pages)).cursor) == Position(7, 0)
        first = await anext(pages)
        assert [item.native_id for item in first.delivery.items][:2] == [
            "1@x.example",
            "2@x.example",
        ]
        assert Position.of(first.cursor) == Position(7, 50)
        assert not server.asked("UID STORE")
        await first.confirm()
        (stored,) = server.asked("UID STORE")
        assert "SEEN" in stored.upper()
        assert await names(pages, 70) == [str(uid) for uid in range(51, 121)]

    read(_source(server), scenario)
    assert all("PEEK" in command for command in server.asked("UID FETCH") if "BODY" in command)


def test_reading_goes_on_where_it_ended(server: Server) -> None:
    server.mails = {uid: mail(str(uid)) for uid in (3, 4, 9)}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert await names(pages, 1) == ["9"]
        assert (await _next_empty(pages)).delivery.items == ()

    server.arrived.set()
    read(_source(server), scenario, Position(7, 4).cursor)


async def _next_empty(pages: AsyncGenerator[Page, None]) -> Page:
    while (page := await anext(pages)).delivery.items:
        pass
    return page


@pytest.mark.parametrize("cursor", [None, "", "nonsense", '{"uid": "x"}', Position(6, 4).cursor])
def test_without_a_valid_position_reading_starts_with_what_is_recent(
    server: Server, cursor: str | None
) -> None:
    server.mails = {uid: mail(str(uid)) for uid in (1, 2, 50_001, 50_002)}
    server.old = {1, 2}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert Position.of((await anext(pages)).cursor) == Position(7, 50_000)
        assert await names(pages, 2) == ["50001", "50002"]

    read(_source(server), scenario, cursor)


def test_new_mail_ends_the_wait(server: Server) -> None:
    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        waiting = asyncio.ensure_future(names(pages, 1))
        await until(lambda: server.asked("IDLE"))
        server.mails[1] = mail("1")
        server.arrived.set()
        assert await waiting == ["1"]

    read(_source(server), scenario)


def test_a_server_without_idle_is_asked_again_and_again(server: Server) -> None:
    server.capability = "IMAP4rev1 AUTH=PLAIN"

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        await anext(pages)
        server.mails[1] = mail("1")
        assert await names(pages, 1) == ["1"]

    read(_source(server), scenario)
    assert server.asked("NOOP")
    assert not server.asked("IDLE")


def test_a_mail_that_is_too_large_is_known_by_its_header(server: Server) -> None:
    server.mails = {1: mail("1"), 2: mail("2"), 3: mail("3")}
    server.sizes = {2: imap_mail.MAX_MESSAGE_BYTES + 1}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        page = await anext(pages)
        assert [item.native_id for item in page.delivery.items] == ["1@x.example", "3@x.example"]
        (unfit,) = page.delivery.unfit
        assert unfit.reason is Refusal.TOO_LARGE
        assert b"Message-ID: <2@" in unfit.payload

    read(_source(server), scenario)


def test_pages_are_bounded_by_bytes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_session, "PAGE_BYTES", 1_000)
    server.mails = {uid: mail(str(uid), b"x" * 400) for uid in range(1, 6)}
    server.mails[2] = mail("2", b"y" * 3_000)

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        sizes = [len((await anext(pages)).delivery.items) for _ in range(4)]
        assert sizes == [1, 1, 2, 1]

    read(_source(server), scenario)


def test_one_that_cannot_be_fetched_or_parsed_stops_no_other(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.mails = {1: mail("1"), 2: mail("poison"), 3: b"\r\n", 4: mail("bug"), 5: mail("5")}
    parse = message.parse_message

    def broken(raw: bytes, *rest: Any) -> Any:
        if b"bug" in raw:
            raise RecursionError
        return parse(raw, *rest)

    monkeypatch.setattr(imap, "parse_message", broken)

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        page = await anext(pages)
        assert [item.native_id for item in page.delivery.items] == ["1@x.example", "5@x.example"]
        assert len(page.delivery.unfit) == 3
        assert Position.of(page.cursor) == Position(7, 5)

    read(_source(server), scenario)


def test_what_was_deleted_meanwhile_is_passed_over(server: Server) -> None:
    server.mails = {uid: mail(str(uid)) for uid in range(1, 61)}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)
        first = await anext(pages)
        assert len(first.delivery.items) == 50
        for uid in range(51, 61):
            del server.mails[uid]
        gone = await anext(pages)
        assert gone.delivery.items == ()
        assert Position.of(gone.cursor) == Position(7, 60)
        server.mails[61] = mail("61")
        server.arrived.set()
        assert await names(pages, 1) == ["61"]

    read(_source(server), scenario)


async def _all(pages: AsyncGenerator[Page, None], last: int) -> tuple[list[str], list[str]]:
    """Return the ids of the items and the details of the letters, up to the mail ``last``."""
    found: list[str] = []
    letters: list[str] = []
    while (page := await anext(pages)).cursor != Position(7, last).cursor:
        found += [item.native_id for item in page.delivery.items]
        letters += [unfit.detail for unfit in page.delivery.unfit]
        await page.confirm()
    found += [item.native_id for item in page.delivery.items]
    letters += [unfit.detail for unfit in page.delivery.unfit]
    return [name.partition("@")[0] for name in found], letters


@pytest.mark.parametrize("how", ["damaged", "left_out"])
def test_a_mail_whose_size_cannot_be_had_is_fetched_all_the_same(
    server: Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    for module in (imap_mail, imap_session):
        monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 1_000)
    monkeypatch.setattr(imap, "MAX_MESSAGE_BYTES", 1_000)
    monkeypatch.setattr(imap_session, "PAGE_BYTES", 500)
    monkeypatch.setattr(imap_session, "MAX_HEADER_BYTES", 40)
    server.mails = {uid: mail(str(uid)) for uid in range(1, 6)}
    server.mails[4] = mail("4", b"x" * 5_000)
    setattr(server, how, {"SIZE": {2, 4}})

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        items, letters = await _all(pages, 5)
        assert items == ["1", "2", "3", "5"]
        assert len(letters) == 1
        assert "at most 1000" in letters[0]

    read(_source(server), scenario)


@pytest.mark.parametrize("how", ["damaged", "left_out"])
def test_a_mail_whose_content_cannot_be_had_is_a_dead_letter(server: Server, how: str) -> None:
    server.mails = {uid: mail(str(uid)) for uid in (1, 2, 3)}
    setattr(server, how, {"BODY": {2}})

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert await _all(pages, 3) == (["1", "3"], ["message 2 cannot be fetched"])

    read(_source(server), scenario)


def test_a_server_that_is_away_for_now_costs_no_mail(server: Server) -> None:
    server.mails = {1: mail("1")}
    server.says = {"UID FETCH": "TAG NO [UNAVAILABLE] the disk is away"}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with pytest.raises(Transient, match="UNAVAILABLE"):
            await names(pages, 1)

    read(_source(server), scenario)


def test_what_cannot_be_marked_is_taken_all_the_same(server: Server) -> None:
    server.mails = {uid: mail(str(uid)) for uid in range(1, 121)}
    server.says = {"UID STORE": "TAG NO [NOPERM] not yours"}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with capture_logs() as logs:
            assert len(await names(pages, 120)) == 120
        assert "NOPERM" in logs[0]["fault"]

    read(_source(server), scenario)
    assert server.logins == 1
    assert len(server.asked("UID STORE")) == 3


def test_a_mailbox_that_is_for_reading_only_is_read(server: Server) -> None:
    server.mails = {1: mail("1")}
    server.read_only = True

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with capture_logs() as logs:
            assert await names(pages, 1) == ["1"]
        assert [entry["event"] for entry in logs] == ["mail cannot be marked as read"]

    read(_source(server), scenario)
    assert not server.asked("UID STORE")


def test_attempts_are_kept_apart_also_those_that_began_well(server: Server) -> None:
    server.mails = {1: mail("1")}
    server.says = {"UID FETCH": "TAG NO [UNAVAILABLE] later"}
    slept: list[float] = []

    async def run() -> None:
        mailbox = collector(_source(server), _around(slept))
        for _ in range(3):
            async with aclosing(mailbox.pages(None)) as pages:
                with pytest.raises(Transient):
                    await names(pages, 1)

    asyncio.run(run())
    assert [round(seconds) for seconds in slept] == [round(imap.GAP_S)] * 2


def test_looks_are_kept_apart_though_each_announces_mail(server: Server) -> None:
    server.announces = True
    slept: list[float] = []

    async def run() -> None:
        async with aclosing(collector(_source(server), _around(slept)).pages(None)) as pages:
            for _ in range(6):
                assert (await asyncio.wait_for(anext(pages), 5)).delivery.items == ()

    asyncio.run(run())
    assert [round(seconds) for seconds in slept] == [round(imap.LOOK_GAP_S)] * 4


@pytest.mark.parametrize("cursor", [None, Position(7, 4).cursor])
def test_numbers_far_apart_take_no_time(server: Server, cursor: str | None) -> None:
    server.mails = {2_000_000_000: mail("1")}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert await names(pages, 1) == ["1"]

    read(_source(server), scenario, cursor)
    assert len(server.asked("UID SEARCH")) <= 3


@pytest.mark.parametrize("cursor", [None, Position(7, 4).cursor])
def test_a_long_search_shows_that_it_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch, cursor: str | None
) -> None:
    monkeypatch.setattr(imap_session, "FEW", 0)
    monkeypatch.setattr(imap_session, "SEARCHES", 5)
    server.mails = {275_001: mail("1"), 275_002: mail("2")}
    pages_seen: list[Page] = []

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        while not pages_seen or not pages_seen[-1].delivery.items:
            pages_seen.append(await anext(pages))

    read(_source(server), scenario, cursor)
    assert len(pages_seen) > 5
    assert len(pages_seen[-1].delivery.items) == 2
    positions = [Position.of(page.cursor) for page in pages_seen if page.cursor]
    reached = [position.uid for position in positions if position]
    assert reached == sorted(reached)
    searches = [command.split(" ")[3] for command in server.asked("UID SEARCH")]
    assert len(set(searches)) >= 27


REFUSALS = {
    "TAG NO [AUTHENTICATIONFAILED] Authentication failed.": Refused,
    "TAG NO Invalid credentials": Refused,
    "TAG NO [UNAVAILABLE] Temporary authentication failure.": Transient,
    "TAG NO [LIMIT] Too many connections": Transient,
    "TAG BAD too many simultaneous connections": Transient,
    "": Transient,
}


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_told_from_a_fault(server: Server, answer: str) -> None:
    server.says = {"AUTHENTICATE": answer}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with pytest.raises(REFUSALS[answer]) as caught:
            await anext(pages)
        assert PASSWORD not in str(caught.value)

    read(_source(server), scenario)


FAULTS = {"CAPABILITY": "", "SELECT": "", "UID SEARCH": "", "UID FETCH": "", "IDLE": "TAG BAD what"}


@pytest.mark.parametrize("command", FAULTS)
def test_a_connection_that_breaks_is_a_fault(server: Server, command: str) -> None:
    server.says = {command: FAULTS[command]}
    if command != "IDLE":
        server.mails[1] = mail("1")

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with pytest.raises(Transient):
            await names(pages, 100)

    read(_source(server), scenario)


def test_a_folder_that_does_not_exist_is_refused(server: Server) -> None:
    server.says = {"SELECT": "TAG NO [NONEXISTENT] no such mailbox"}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        with pytest.raises(Refused, match="NONEXISTENT"):
            await anext(pages)

    read(_source(server), scenario)


def test_of_two_passwords_the_one_that_is_valid_counts(server: Server) -> None:
    tried: list[str] = []
    real = imap_session.Session._log_in

    def log_in(self: imap_session.Session, secret: str) -> None:
        tried.append(secret)
        if secret == "the-new-one":
            raise Refused("not yet")
        real(self, secret)

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        await anext(pages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imap_session.Session, "_log_in", log_in)
        read(_source(server, ("the-new-one", PASSWORD)), scenario)
    assert tried == ["the-new-one", PASSWORD]


@pytest.mark.parametrize("stuck", ["greeting", "idle", "fetch"])
def test_the_thread_ends_at_once_when_the_source_stops(server: Server, stuck: str) -> None:
    if stuck == "fetch":
        server.mails[1] = mail("1")
        server.says = {"UID FETCH": "* OK and then nothing"}

    async def scenario() -> None:
        pages = collector(_source(server, timeout_s="30"), _around()).pages(None)

        async def forever() -> None:
            async with aclosing(pages):
                async for _ in pages:
                    pass

        task = asyncio.create_task(forever())
        awaited = {"greeting": "", "idle": "IDLE", "fetch": "UID FETCH"}[stuck]
        await until(lambda: not awaited or server.asked(awaited))
        started = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert time.monotonic() - started < 1.0
        await until(lambda: "imap box" not in [one.name for one in threading.enumerate()], 3.0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "options",
    [
        {"host": ""},
        {"host": "mail.example.com", "tls": "no"},
        {"tls": "perhaps"},
        {"user": ""},
        {"port": "x"},
        {"mark_seen": "maybe"},
        {"idle_s": "-1"},
    ],
)
def test_options_that_will_not_do_are_named(server: Server, options: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(reversed(options)))):
        collector(_source(server, (PASSWORD,), **options), _around())


def test_nothing_is_marked_where_that_is_not_wanted(server: Server) -> None:
    server.mails = {1: mail("1")}

    async def scenario(pages: AsyncGenerator[Page, None]) -> None:
        assert await names(pages, 1) == ["1"]

    read(_source(server, mark_seen="no"), scenario)
    assert not server.asked("UID STORE")
    assert server.asked("EXAMINE")


def test_a_position_is_json() -> None:
    assert msgspec.json.decode(Position(7, 9).cursor) == {"uidvalidity": 7, "uid": 9}
