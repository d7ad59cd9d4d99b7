"""Charsets that strangers state: those of mail are read, any other is UTF-8, and all are text."""

from __future__ import annotations

import codecs
import pkgutil
import time
from email.message import Message
from encodings import __path__ as codec_modules
from encodings.aliases import aliases

import pytest

from services.ingest.channels import charsets
from services.ingest.channels.email import standard
from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.mime import guessed
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.provider import Settings

NAMES = sorted(
    {*aliases, *aliases.values(), *(m.name for m in pkgutil.iter_modules(codec_modules))}
)
HALVES = (
    b"+2AA-",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\x00\xd8",
    b"\xd8\x00",
    b"\x00\xd8\0\0",
    b"xn--\xff",
)
MAIL = b"From: a@b.example\r\nMessage-ID: <q@w.example>\r\nSubject: hi\r\n"
BROKEN = b"--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n!\r\n--b--"
MULTIPART = MAIL + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
QUICK_S = 2.0  # the work below takes a hundredth of it; quadratic work takes minutes


def test_there_are_codecs_to_try() -> None:
    assert len(NAMES) > 400


@pytest.mark.parametrize("raw", HALVES)
def test_no_charset_makes_half_a_surrogate_pair(raw: bytes) -> None:
    for name in NAMES:
        charsets.decoded(raw, name).encode()
        guessed(raw, name).encode()


@pytest.mark.parametrize("raw", HALVES)
def test_no_mail_has_half_a_surrogate_pair(raw: bytes) -> None:
    for name in ("utf-7", "unicode_escape", "raw_unicode_escape", "utf-16", "utf-32", "cp65001"):
        stated = f"Content-Type: text/plain; charset={name}\r\n\r\n".encode()
        attached = f"Content-Disposition: attachment; filename*={name}''".encode()
        for mail in (
            MAIL + stated + raw,
            MAIL + stated + raw + b" \xff",
            MULTIPART + stated + raw + b"\r\n" + BROKEN,
            MULTIPART + attached + raw + b"\r\n\r\nx\r\n" + BROKEN,
        ):
            item = parse_message(mail, Envelope(), Settings(name="s"), 0)
            item.text.encode()
            "".join(file.name or "" for file in item.attachments).encode()


@pytest.mark.parametrize("name", NAMES)
def test_every_codec_is_quick(name: str) -> None:
    began = time.perf_counter()
    assert charsets.decoded(b"a" + b"-a" * 100_000 + b"\xff", name)
    assert time.perf_counter() - began < QUICK_S


@pytest.mark.parametrize(
    "header", ["Content-Disposition: attachment; filename", "Content-Type: multipart/x; boundary"]
)
@pytest.mark.parametrize("value", [b"*=punycode''x-" + b"a" * 800_000, b"*0*=a; x*0=b" * 60_000])
def test_parameters_of_parts_take_little_time(header: str, value: bytes) -> None:
    mail = MULTIPART + header.encode() + value + b"\r\n\r\nx\r\n" + BROKEN
    began = time.perf_counter()
    parse_message(mail, Envelope(), Settings(name="s"), 0)
    daemon = b"From: mailer-daemon@b.example\r\n" + header.encode() + value + b"\r\n\r\nx"
    parse_message(daemon, Envelope(), Settings(name="s"), 0)
    assert time.perf_counter() - began < QUICK_S


def test_ordinary_parameters_are_read() -> None:
    found = standard.parsed(b"Content-Disposition: attachment; filename*=utf-8''%C3%A9\r\n\r\nx")
    assert isinstance(found, Message)
    assert found.get_filename() == "é"


def test_all_that_are_believed_exist() -> None:
    for name in NAMES:
        assert codecs.lookup(charsets.known(name))._is_text_encoding


@pytest.mark.parametrize(
    "name",
    ["x-unknown", "punycode", "idna", "utf-7", "cp037", "base64", "rot13", "zlib", "unicode_escape",
     "mbcs", "\x00", "\udcff", "a" * 5_000, "../../etc", "utf-8\n", ""],
)  # fmt: skip
def test_a_charset_that_is_none_means_utf_8(name: str) -> None:
    assert charsets.decoded("é+".encode(), name) == "é+"


@pytest.mark.parametrize(
    ("name", "text"),
    [("ISO-8859-1", "é"), ("windows-1251", "Ж"), ("iso-2022-jp", "日本"), ("GB2312", "中"),
     ("ks_c_5601-1987", "한"), ("KOI8-U", "ї"), ("windows-874", "ก"), ("utf-16", "é"),
     ("gb2312", "镕"), ("us-ascii", "é"), ("iso-8859-1", "€")],
)  # fmt: skip
def test_charsets_of_mail(name: str, text: str) -> None:
    real = {"windows-874": "cp874", "us-ascii": "utf-8", "iso-8859-1": "cp1252", "gb2312": "gbk"}
    assert charsets.decoded(text.encode(real.get(name, name)), name) == text
