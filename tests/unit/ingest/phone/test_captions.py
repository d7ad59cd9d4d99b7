"""Captions as transcripts, and captions as weapons."""

from __future__ import annotations

import time
from typing import Literal

import pytest

from services.ingest.channels.phone import captions
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Role

CUE = "00:00:01.000 --> 00:00:02.500\n"


def _read(text: str, kind: Literal["vtt", "srt"] = "vtt") -> list[tuple[Role, str]]:
    return [(turn.speaker, turn.text) for turn in captions.turns(text, kind)]


def test_voices_in_one_caption_are_told_apart() -> None:
    text = f"WEBVTT\n\n{CUE}<v Agent>Good morning.\n<v.loud Caller>It &lt;still&gt; <b>leaks</b>!\n"
    assert _read(text) == [(Role.AGENT, "Good morning."), (Role.CUSTOMER, "It <still> leaks!")]


def test_times_are_milliseconds() -> None:
    turn = next(captions.turns(f"\ufeffWEBVTT\n\n{CUE}Hello\n", "vtt"))
    assert (turn.start_ms, turn.end_ms) == (1_000, 2_500)


def test_labels_in_front_of_the_words() -> None:
    srt = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
    assert _read(srt.format("Agent: Hello"), "srt") == [(Role.AGENT, "Hello")]
    assert _read(srt.format("[SPEAKER_03]: Hello"), "srt") == [(Role.UNKNOWN, "Hello")]
    assert _read(srt.format("Problem: cold"), "srt") == [(Role.UNKNOWN, "Problem: cold")]


@pytest.mark.parametrize("kind", ["vtt", "srt"])
def test_what_is_no_caption_file_is_refused(kind: Literal["vtt", "srt"]) -> None:
    with pytest.raises(Rejected) as caught:
        _read("hello", kind)
    assert caught.value.reason is Refusal.BAD_VALUE
    with pytest.raises(Rejected) as caught:
        _read("WEBVTT\n\n" + "x" * captions.MAX_CHARS, kind)
    assert caught.value.reason is Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "bomb",
    [
        "<" * 1_000_000,
        "<v " * 300_000,
        "<v" + " " * 1_000_000,
        "<v" + ".a" * 500_000,
        "a\n" * 300_000,
        "-->\n" * 200_000,
        "&" * 1_000_000,
        "SPEAKER_" * 100_000 + ":",
    ],
)
def test_captions_take_linear_time(bomb: str) -> None:
    begun = time.process_time()
    _read(f"WEBVTT\n\n{CUE}{bomb}")
    assert time.process_time() - begun < 5
