"""Conversations: tokens, references, never subjects."""

from __future__ import annotations

import base64

import pytest

from services.ingest.channels.email import threading
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.item import DERIVED
from shared import mail_tokens
from tests.unit.ingest.email.mails import item

THREAD = mail_tokens.thread_of("m1@customer.example")


def test_a_token_is_read_back_whatever_the_case() -> None:
    token = mail_tokens.mint("secret", THREAD)
    assert mail_tokens.read(["secret"], f"support+{token}@shop.example") == THREAD
    assert mail_tokens.read(["secret"], f"SUPPORT+{token.upper()}@SHOP.EXAMPLE") == THREAD
    assert len(f"support+{token}") <= 64


def test_a_token_is_valid_under_each_of_the_secrets_and_under_no_other() -> None:
    address = f"support+{mail_tokens.mint('old', THREAD)}@shop.example"
    assert mail_tokens.read(["new", "old"], address) == THREAD
    assert mail_tokens.read(["new"], address) is None
    assert mail_tokens.read([], address) is None
    swapped = address.replace(THREAD, mail_tokens.thread_of("other"))
    assert mail_tokens.read(["old"], swapped) is None


def test_only_thread_ids_can_be_minted() -> None:
    with pytest.raises(ValueError, match="16 to 32"):
        mail_tokens.mint("secret", "case 12")


def test_a_thread_without_a_message_id_has_a_token_too() -> None:
    thread = "0123456789abcdef" * 2  # what intake makes of an id that begins with "derived:"
    token = mail_tokens.mint("secret", thread)
    assert mail_tokens.read(["secret"], f"support+{token}@shop.example") == thread
    assert len(f"support+{token}") <= 64
    assert mail_tokens.read(["secret"], f"support+{thread}{'a' * 16}@shop.example") is None


def test_a_message_without_id_is_a_thread_of_its_own() -> None:
    found = item(Message_ID=None)
    assert found.thread_id == found.native_id
    assert found.native_id.startswith(DERIVED)


def test_replies_meet_the_first_message() -> None:
    first = item()
    reply = item(
        Message_ID="<m3@c.example>",
        References="<m1@customer.example> <m2@shop.example>",
        In_Reply_To="<m2@shop.example>",
    )
    assert first.thread_id == reply.thread_id == THREAD
    assert reply.parent_id == "m2@shop.example"
    assert item(Message_ID="<m4@c.example>", In_Reply_To="<M1@x> <z@y>").thread_id != THREAD
    assert (
        item(Message_ID="<m5@c.example>", In_Reply_To="<m1@CUSTOMER.example>").thread_id == THREAD
    )


def test_a_token_beats_references() -> None:
    token = mail_tokens.mint("golden-old", THREAD)
    to = f"Shop <support+{token}@shop.example>"
    assert item(Message_ID="<x@y>", References="<other@z>", To=to).thread_id == THREAD
    by_envelope = Envelope(recipients=(f"support+{token}@shop.example",))
    assert item(envelope=by_envelope, Message_ID="<x@y>").thread_id == THREAD
    forged = to.replace(token, token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert item(Message_ID="<x@y>", To=forged).thread_id != THREAD


def test_the_subject_is_never_a_thread() -> None:
    one = item(Subject="Ticket 12", Message_ID="<a@x.example>")
    two = item(Subject="Re: Ticket 12", Message_ID="<b@y.example>")
    assert one.thread_id != two.thread_id


def test_the_index_of_outlook_groups_replies_without_references() -> None:
    index = base64.b64encode(bytes(range(27))).decode()
    later = base64.b64encode(bytes(range(32))).decode()
    one = item(Message_ID="<a@x>", Thread_Index=index)
    assert one.thread_id == item(Message_ID="<b@x>", Thread_Index=later).thread_id
    root = base64.b64encode(bytes(range(22))).decode()
    assert item(Message_ID="<c@x>", Thread_Index=root).thread_id == mail_tokens.thread_of("c@x")
    assert item(Message_ID="<d@x>", Thread_Index="%%%").thread_id == mail_tokens.thread_of("d@x")


def test_cycles_and_floods_of_references_are_harmless() -> None:
    assert item(References="<m1@customer.example> " * 3).thread_id == THREAD
    assert item(References="<a@b> " * 90_000).thread_id == mail_tokens.thread_of("a@b")


def test_prose_in_in_reply_to_is_not_an_id() -> None:
    assert item(In_Reply_To="Your message of Monday").parent_id is None


def test_overlong_ids_are_shortened_alike_everywhere() -> None:
    long = "x" * 900 + "@y.example"
    assert len(item(Message_ID=f"<{long}>").native_id) <= threading.MAX_ID
    assert item(References=f"<{long}>").thread_id == item(Message_ID=f"<{long}>").thread_id
