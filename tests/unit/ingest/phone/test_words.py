"""Who spoke, who called, in what language, and what of it counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.channels.phone.caller import caller
from services.ingest.channels.phone.languages import bcp47
from services.ingest.channels.phone.speakers import channel_role, is_label, role
from services.ingest.channels.phone.transcript import bounded, conversation, milliseconds, monologue
from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Rejected
from shared.events import Role, Transcript, Turn


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("CUSTOMER", Role.CUSTOMER),
        ("Caller", Role.CUSTOMER),
        ("end_user", Role.CUSTOMER),
        ("HUMAN_AGENT", Role.AGENT),
        ("Call-Center Agent", Role.AGENT),
        ("AI_AGENT", Role.BOT),
        ("SYSTEM", Role.BOT),
        ("A", Role.UNKNOWN),
        ("0", Role.UNKNOWN),
        (0, Role.UNKNOWN),
        ("SPEAKER_00", Role.UNKNOWN),
        ("", Role.UNKNOWN),
        (None, Role.UNKNOWN),
        ("agent" * 1_000, Role.UNKNOWN),
    ],
)
def test_roles(label: str | int | None, expected: Role) -> None:
    assert role(label) is expected


def test_what_is_a_label_and_what_is_speech() -> None:
    assert all(map(is_label, ["Agent", "SPEAKER_01", "Speaker A", "B", "12"]))
    assert not any(map(is_label, ["Problem", "8:30", "I said", ""]))


def test_channels_are_told_apart_only_if_the_source_says_which_is_the_customers() -> None:
    configured = Settings(name="pbx", options={"customer_channel": "1"})
    assert channel_role(1, configured) is Role.CUSTOMER
    assert channel_role(0, configured) is Role.AGENT
    assert channel_role(None, configured) is Role.UNKNOWN
    assert channel_role(1, Settings(name="pbx")) is Role.UNKNOWN
    with pytest.raises(Rejected):
        channel_role(1, Settings(name="pbx", options={"customer_channel": "left"}))


@pytest.mark.parametrize(
    "nobody",
    [
        "",
        " ",
        None,
        "anonymous",
        "Restricted",
        "+266696687",
        "+7378742833",
        "+86282452253",
        "sip:anonymous@anonymous.invalid",
        "unavailable",
    ],
)
def test_a_withheld_number_is_nobody(nobody: str | None) -> None:
    assert caller(nobody) is None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("+4915112345678", "+4915112345678"),
        (" tel:+4915112345678 ", "+4915112345678"),
        ("whatsapp:+919876543210", "+919876543210"),
        ("sip:+4930123456@pbx.example.com;user=phone", "+4930123456"),
        ("sip:ines@pbx.example.com", "sip:ines@pbx.example.com"),
        ("client:alice", "client:alice"),
        ("0301234567", "0301234567"),
    ],
)
def test_numbers_are_bare(stated: str, expected: str) -> None:
    assert caller(stated) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("english", "en"),
        ("German", "de"),
        ("haitian creole", "ht"),
        ("de-DE", "de-DE"),
        ("pt_BR", "pt-BR"),
        ("jw", "jv"),
        ("yue", "yue"),
        ("multi", None),
        ("auto", None),
        ("", None),
        (None, None),
        ("klingonese", None),
    ],
)
def test_languages(stated: str | None, expected: str | None) -> None:
    assert bcp47(stated) == expected


def _turn(speaker: Role, text: str, start: int | None = None) -> Turn:
    return Turn(speaker=speaker, text=text, start_ms=start)


def test_only_the_customers_words_are_text() -> None:
    spoken = conversation(
        [
            _turn(Role.AGENT, "Hello", 0),
            _turn(Role.UNKNOWN, "Hm", 1),
            _turn(Role.CUSTOMER, "Help", 2),
        ]
    )
    assert spoken.text == "Help"
    assert len(spoken.turns) == 3


def test_unknown_speakers_count_as_the_customer_when_nobody_is_known_to_be() -> None:
    spoken = conversation([_turn(Role.AGENT, "Hello", 0), _turn(Role.UNKNOWN, "Help", 1)])
    assert spoken.text == "Help"
    assert conversation([_turn(Role.AGENT, "Hello")]).text == ""


def test_overlapping_turns_are_in_the_order_of_their_beginnings() -> None:
    spoken = conversation(
        [
            _turn(Role.CUSTOMER, "second", 900),
            _turn(Role.CUSTOMER, "third, time unknown"),
            _turn(Role.CUSTOMER, "first", 100),
        ]
    )
    assert spoken.text == "first\nsecond\nthird, time unknown"


def test_without_a_word_the_transcript_has_failed() -> None:
    for nothing in (conversation([]), monologue(None), monologue(" \n")):
        assert nothing.transcript is Transcript.FAILED
        assert nothing.text == ""
    assert monologue("hello").transcript is Transcript.COMPLETE


def test_seconds_and_milliseconds() -> None:
    assert milliseconds(1.5) == 1_500
    assert bounded(1_500) == 1_500
    for impossible in (None, -1.0, float("nan"), float("inf"), 1e300):
        assert milliseconds(impossible) is None
        assert bounded(impossible) is None


@given(st.lists(st.tuples(st.sampled_from(Role), st.text(), st.none() | st.integers(0, 10_000))))
def test_no_turn_with_words_is_lost(given: list[tuple[Role, str, int | None]]) -> None:
    turns = [_turn(*one) for one in given]
    kept = conversation(turns).turns
    assert sorted(turn.text for turn in kept) == sorted(t.text for t in turns if t.text.strip())
