"""The doors for mail servers as a real process, with smtplib, raw sessions, a real Kafka and Redis."""

from __future__ import annotations

import json
import signal
import smtplib
import socket
import threading
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.ports import free_port
from shared import topics

pytestmark = pytest.mark.integration
Launch = Callable[..., Any]
SENDER, HELP, SALES = "ada@customers.example", "help@shop.example", "sales@shop.example"
SOURCES = """
[sources.support]
provider = "smtp"
rate = 100000
burst = 100000
options = {recipients = "help@shop.example"}
[sources.sales]
provider = "smtp"
options = {recipients = "sales@shop.example"}
"""


class Post:
    """The service with both doors open."""

    def __init__(self, launch: Launch, folder: Path, **settings: Any) -> None:
        path = folder / "sources.toml"
        path.write_text(SOURCES)
        self.smtp, self.lmtp = free_port(), free_port()
        self.service = launch(
            ingest__sources_file=path,
            ingest__smtp_port=self.smtp,
            ingest__lmtp_port=self.lmtp,
            **settings,
        )

    def send(self, message: EmailMessage | bytes, *recipients: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=30) as client:
            self.send_on(client, message, *recipients)

    @staticmethod
    def send_on(client: smtplib.SMTP, message: EmailMessage | bytes, *recipients: str) -> None:
        raw = message if isinstance(message, bytes) else message.as_bytes()
        client.sendmail(SENDER, recipients or [HELP], raw, mail_options=["BODY=8BITMIME"])

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(m.value()) for m in self.service.records(topics.FEEDBACK_RECEIVED)]


def _mail(name: str, text: str = "It broke.", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"Ada <{SENDER}>"
    message["To"] = HELP
    message["Subject"] = "The lamp"
    message["Message-ID"] = f"<{name}@customers.example>"
    message["Date"] = "Sun, 22 Nov 2026 10:00:00 +0000"
    for header, value in headers.items():
        message[header] = value
    message.set_content(text)
    return message


def _raw(name: str, body: bytes = b"It broke.") -> bytes:
    return b"Message-ID: <%b@x.example>\r\nFrom: b@x.example\r\n\r\n%b\r\n" % (name.encode(), body)


def test_every_kind_of_mail_arrives(launch: Launch, tmp_path: Path) -> None:
    post = Post(launch, tmp_path)
    post.send(_mail("plain"))
    post.send(_mail("words", "Grüße, 修理してください。"))
    both = _mail("both", "In words.")
    both.add_alternative("<p>In <b>mark-up</b>.</p>", subtype="html")
    both.add_attachment(b"\x00\xff" * 4_000_000, maintype="image", subtype="png", filename="a.png")
    post.send(both)
    post.send(_raw("eight", "caf\u00e9".encode("latin-1")))
    post.send(_raw("long", b"w" * 30_000))
    post.send(_raw("dots", b".\r\n..\r\nend"))
    with smtplib.SMTP("127.0.0.1", post.smtp, timeout=30) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            post.send_on(client, _mail("relayed"), "someone@elsewhere.example")
        client.ehlo()
        assert client.does_esmtp
        assert client.esmtp_features["size"] == "32000000"
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            post.send_on(client, _raw("huge", b"x" * 32_000_001))
        assert caught.value.smtp_code == 552
    found = {event["native_id"].partition("@")[0]: event for event in post.received()}
    assert set(found) == {"plain", "words", "both", "eight", "long", "dots"}
    assert "修理" in found["words"]["text"]
    assert "caf\u00e9" in found["eight"]["text"]
    (attached,) = found["both"]["attachments"]
    assert (attached["name"], attached["size"]) == ("a.png", 8_000_000)
    assert post.service.metric('tocsin_smtp_messages_total{outcome="taken"}') == 6
    log = post.service.log.read_text()
    assert SENDER not in log
    assert HELP not in log
    assert post.service.stop() == 0


def test_a_pipelined_session_of_lmtp_is_answered_for_each_recipient(
    launch: Launch, tmp_path: Path
) -> None:
    post = Post(launch, tmp_path)
    with socket.create_connection(("127.0.0.1", post.lmtp), 10) as line:
        replies = line.makefile("rb")
        commands = (
            b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\nRCPT TO:<no@x.example>\r\nRCPT TO:<%b>\r\n"
        )
        line.sendall(commands % (HELP.encode(), SALES.encode()) + b"DATA\r\n")
        line.sendall(_raw("1") + b".\r\nQUIT\r\n")
        codes = [reply[:3] for reply in replies if reply[3:4] != b"-"]
    assert codes == [b"220", b"250", b"250", b"250", b"550", b"250", b"354", b"250", b"250", b"221"]
    assert sorted(event["source"] for event in post.received()) == ["sales", "support"]
    assert post.service.stop() == 0


def test_while_kafka_is_away_mail_has_to_come_again_and_none_is_lost(
    launch: Launch, tmp_path: Path, kafka: EmbeddedKafka
) -> None:
    post = Post(launch, tmp_path, ingest__request_deadline_s=1.0)
    post.send(_mail("before"))
    kafka.pause()
    try:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            post.send(_mail("frozen"))
        assert caught.value.smtp_code == 451
    finally:
        kafka.resume()
    post.service.wait_ready()
    post.send(_mail("frozen"))
    post.send(_mail("after"))
    names = sorted(event["native_id"].partition("@")[0] for event in post.received())
    assert names == ["after", "before", "frozen"]
    assert post.service.metric('tocsin_smtp_messages_total{outcome="unavailable"}') == 1
    assert post.service.stop() == 0


def test_what_was_acknowledged_is_there_after_a_stop_in_full_flow(
    launch: Launch, tmp_path: Path
) -> None:
    post = Post(launch, tmp_path)
    taken: set[str] = set()
    codes: set[int] = set()

    def sender(number: int) -> None:
        try:
            with smtplib.SMTP("127.0.0.1", post.smtp, timeout=30) as client:
                for count in range(10_000):
                    name = f"{number}-{count}"
                    post.send_on(client, _mail(name))
                    taken.add(name)
        except smtplib.SMTPResponseException as told:
            codes.add(told.smtp_code)
        except (OSError, smtplib.SMTPException):
            pass

    half = socket.create_connection(("127.0.0.1", post.smtp), 10)
    half.sendall(b"EHLO mx\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n")
    half.sendall(_raw("half"))
    threads = [threading.Thread(target=sender, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    post.service.wait_for(lambda: len(taken) > 200, 30)
    post.service.process.send_signal(signal.SIGTERM)
    assert post.service.process.wait(25) == 0
    for thread in threads:
        thread.join()
    told = b""
    while data := half.recv(4_096):
        told += data
    half.close()
    assert told.splitlines()[-1].startswith(b"421")
    assert codes <= {421, 451}
    received = {event["native_id"].partition("@")[0] for event in post.received()}
    assert taken <= received
    assert "half" not in received


def test_memory_stays_bounded_under_large_mail(launch: Launch, tmp_path: Path) -> None:
    post = Post(launch, tmp_path)
    post.send(_mail("first"))
    resident = _resident(post.service.process.pid)
    envelope = b"EHLO mx\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n"
    lines = [socket.create_connection(("127.0.0.1", post.smtp), 10) for _ in range(24)]
    codes = []
    peak = 0

    def fill(line: socket.socket) -> None:
        line.sendall(envelope)
        for _ in range(64):
            line.sendall(b"\r\n" * 125_000)  # objects of their own, would lines be kept apart

    threads = [threading.Thread(target=fill, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[-1].join(0.05)
        peak = max(peak, _resident(post.service.process.pid))
    for line in lines:
        line.sendall(b".\r\nQUIT\r\n")
        told = b"".join(iter(lambda line=line: line.recv(4_096), b""))  # type: ignore[misc]
        codes.append(told.splitlines()[-2][:3])
        line.close()
    assert set(codes) <= {b"250", b"451"}
    assert codes.count(b"451") > 0
    assert peak - resident < 250_000_000
    post.send(_mail("last"))
    assert post.service.stop() == 0


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4_096
