"""Forms: what comes out of good ones, and that hostile ones cost little and give a reason."""

from __future__ import annotations

import contextlib
import hashlib
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.channels import forms
from services.ingest.channels.hook import Hook
from services.ingest.channels.rejection import Refusal, Rejected

TYPE = "multipart/form-data; boundary=XX"
QUICK_S = 2.0  # the work below takes a tenth of it; quadratic work takes minutes


def part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def hook(content: bytes, content_type: str = TYPE) -> Hook:
    return Hook(
        url="https://example.com/", headers={"content-type": content_type}, body=content, now=0
    )


def refusal(content: bytes, content_type: str = TYPE) -> Refusal:
    began = time.perf_counter()
    with pytest.raises(Rejected) as caught:
        forms.read_form(hook(content, content_type))
    assert time.perf_counter() - began < QUICK_S
    return caught.value.reason


def test_fields_stay_bytes_and_become_text_in_the_charset_that_is_stated() -> None:
    form = forms.read_form(hook(body(part("text", "cassé".encode("latin-1")), part("to", b"x"))))
    assert form.raw("text") == b"cass\xe9"
    assert form.text("text", "iso-8859-1") == "cassé"
    assert form.text("text") == "cass\ufffd"
    assert form.text("missing") == ""
    assert form.raw("missing") == b""


def test_a_charset_of_the_part_itself_counts_when_none_is_stated() -> None:
    content = body(part("a", "ё".encode("koi8-r"), "\r\nContent-Type: text/plain; charset=koi8-r"))
    assert forms.read_form(hook(content)).text("a") == "ё"


def test_files_keep_name_type_size_and_digest() -> None:
    extra = '; filename="Größe.png"\r\nContent-Type: image/png'
    (file,) = forms.read_form(hook(body(part("a", b"png", extra), part("b", b"")))).files()
    found = file.attachment()
    assert (found.name, found.media_type, found.size) == ("Größe.png", "image/png", 3)
    assert found.sha256 == hashlib.sha256(b"png").hexdigest()


def test_a_file_name_in_another_charset_does_not_cost_the_mail() -> None:
    content = body(part("a", b"x", '; filename="G.png"')).replace(b"G.png", b"Gr\xf6.png")
    assert forms.read_form(hook(content)).files()[0].filename == "Grö.png"


def test_of_equal_names_the_first_counts() -> None:
    form = forms.read_form(hook(body(part("a", b"first"), part("a", b"second"))))
    assert form.text("a") == "first"
    form = forms.read_form(hook(b"a=first&a=second", forms.URLENCODED))
    assert form.text("a") == "first"


def test_binary_content_with_line_breaks_and_dashes_comes_through() -> None:
    content = bytes(range(256)) * 300 + b"\r\n--XY\r\n--"
    assert forms.read_form(hook(body(part("a", content)))).raw("a") == content


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"", TYPE, Refusal.EMPTY),
        (b"{}", "application/json", Refusal.BAD_VALUE),
        (b"{}", "", Refusal.BAD_VALUE),
        (body(part("a", b"x")), "multipart/form-data", Refusal.BAD_VALUE),
        (body(part("a", b"x")), 'multipart/form-data; boundary=""', Refusal.BAD_VALUE),
        (body(part("a", b"x")), "multipart/form-data; boundary=other", Refusal.BAD_VALUE),
        (body(part("a", b"x")), "multipart/form-data; boundary=\udcff", Refusal.BAD_VALUE),
        (body(part("a", b"x"))[:-6], TYPE, Refusal.BAD_VALUE),
        (part("a", b"x")[:-4], TYPE, Refusal.BAD_VALUE),
        (b"--XX\r\n\r\nno disposition\r\n--XX--", TYPE, Refusal.BAD_VALUE),
        (b"--XX\r\nno colon\r\n\r\n\r\n--XX--", TYPE, Refusal.BAD_VALUE),
        (b"--XX\r\n" + b"A: b\r\n" * 9 + b"\r\n\r\n--XX--", TYPE, Refusal.TOO_LARGE),
        (b"--XX\r\nA: " + b"b" * 9_000 + b"\r\n\r\n\r\n--XX--", TYPE, Refusal.TOO_LARGE),
    ],
)
def test_what_is_no_form_is_refused_with_a_reason(
    content: bytes, content_type: str, reason: Refusal
) -> None:
    assert refusal(content, content_type) is reason


def test_a_nested_multipart_is_one_field() -> None:
    inner = b'--YY\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n--YY--\r\n'
    extra = "\r\nContent-Type: multipart/mixed; boundary=YY"
    form = forms.read_form(hook(body(part("a", inner * 3_000, extra))))
    assert [found.name for found in form.parts] == ["a"]


def test_floods_are_refused_early() -> None:
    assert refusal(body(*[part("a", b"")] * 200_000)) is Refusal.TOO_LARGE
    assert refusal(b"a=b&" * 500_000, forms.URLENCODED) is Refusal.TOO_LARGE
    assert refusal(b"\r\n--X" * 1_000_000) is Refusal.BAD_VALUE
    assert refusal(part("a", b"\r\n--X" * 1_000_000)) is Refusal.BAD_VALUE
    assert refusal(b'--XX\r\nContent-Disposition: form-data; a="' + b'\\"' * 4_000) is (
        Refusal.BAD_VALUE
    )


def test_the_limit_itself_is_allowed() -> None:
    assert len(forms.multipart(body(*[part("a", b"")] * forms.MAX_FIELDS), TYPE)) == 1_000
    assert len(forms.urlencoded(b"&".join([b"a="] * forms.MAX_FIELDS))) == 1_000


@pytest.mark.parametrize("piece", [b"%", b"%41", b"%41z", b"%%", b"+", b"%E3%81%82"])
def test_escapes_take_linear_time(piece: bytes) -> None:
    began = time.perf_counter()
    ((_, value),) = forms.urlencoded(b"a=" + piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - began < QUICK_S
    assert value


@pytest.mark.parametrize("shift", range(4))
def test_escapes_across_the_edge_of_a_step(shift: int) -> None:
    text = "x" * shift + "あ%z%" * 30_000
    assert forms.urlencoded(urlencode({"a": text}).encode()) == [("a", text)]


def test_what_is_no_escape_stays() -> None:
    assert forms.urlencoded(b"a=100%&b=%zz&c=%4&=d&e") == [
        ("a", "100%"),
        ("b", "%zz"),
        ("c", "%4"),
        ("", "d"),
        ("e", ""),
    ]


@settings(deadline=2_000)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
def test_urlencoded_forms_come_back(fields: list[tuple[str, str]]) -> None:
    encoded = urlencode(fields, errors="replace").encode()
    expected = parse_qsl(encoded.decode(), keep_blank_values=True, errors="replace")
    kept = [pair for pair in forms.urlencoded(encoded) if pair != ("", "")]
    assert kept == [pair for pair in expected if pair != ("", "")]


@settings(deadline=2_000)
@given(st.binary(max_size=300), st.sampled_from([TYPE, forms.URLENCODED]))
def test_any_bytes_give_a_form_or_a_reason(junk: bytes, content_type: str) -> None:
    for content in (junk, body(part("a", b"x"))[:40] + junk, part("a", junk) + b"--XX--"):
        with contextlib.suppress(Rejected):
            forms.read_form(hook(content, content_type))
