"""What was said: turns in order, and of them the customer's own words."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.events import Role, Transcript, Turn

_LONGEST_MS = 7 * 86_400_000


class Spoken(msgspec.Struct, frozen=True):
    """The words of a call.

    ``text`` is what the customer said, ``turns`` what everybody said, in the order of the beginnings.
    """

    text: str = ""
    turns: tuple[Turn, ...] = ()
    transcript: Transcript = Transcript.NONE


NOTHING = Spoken()
FAILED = Spoken(transcript=Transcript.FAILED)
PENDING = Spoken(transcript=Transcript.PENDING)


def conversation(turns: Iterable[Turn]) -> Spoken:
    """Return what was said in ``turns``.

    Speakers whose side is unknown count as the customer unless somebody is known to be. Without any
    word at all the transcript has failed: a person has to listen.
    """
    spoken = _in_order([turn for turn in turns if turn.text.strip()])
    if not spoken:
        return FAILED
    wanted = Role.CUSTOMER
    if not any(turn.speaker is Role.CUSTOMER for turn in spoken):
        wanted = Role.UNKNOWN
    words = (turn.text.strip() for turn in spoken if turn.speaker is wanted)
    return Spoken("\n".join(words), tuple(spoken), Transcript.COMPLETE)


def monologue(text: str | None) -> Spoken:
    """Return what the caller said when nobody else spoke: a voicemail."""
    return conversation([Turn(speaker=Role.CUSTOMER, text=text or "")])


def milliseconds(seconds: float | None) -> int | None:
    """Return a position or length in seconds as ms; None if it is impossible."""
    if seconds is None or not 0 <= seconds * 1000 <= _LONGEST_MS:
        return None
    return round(seconds * 1000)


def bounded(ms: float | None) -> int | None:
    """Return a position or length in ms; None if it is impossible."""
    return None if ms is None else milliseconds(ms / 1000)


def _in_order(turns: list[Turn]) -> list[Turn]:
    """Sort by beginning; a turn that states none stays behind the one before it."""
    last = 0
    keyed = []
    for turn in turns:
        last = last if turn.start_ms is None else turn.start_ms
        keyed.append((last, turn))
    return [turn for _, turn in sorted(keyed, key=lambda pair: pair[0])]
