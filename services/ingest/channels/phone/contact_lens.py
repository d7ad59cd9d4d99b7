"""Amazon Connect's conversational analytics ("Contact Lens"): files after a call, events during it.

Sources: Amazon Connect Administrator Guide, "Example Contact Lens output files" and "Real-time contact
analysis segment streams data model". Offsets are milliseconds from the begin of the call. Neither knows
the customer's number: that is in the contact record, which has the same native id.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.speakers import role
from services.ingest.channels.phone.transcript import FAILED, bounded, conversation
from services.ingest.channels.provider import Ignored
from services.ingest.channels.reading import read_json
from shared.events import Operation, Role, Transcript, Turn

ENGINE = "amazon_contact_lens"


class _Pascal(msgspec.Struct, frozen=True, rename="pascal"):
    """Names as Amazon writes them."""


class _Participant(_Pascal, frozen=True):
    participant_id: str | None = None
    participant_role: str | None = None


class _Turn(_Pascal, frozen=True):
    id: str | None = None
    content: str | None = None
    participant_id: str | None = None
    participant_role: str | None = None
    begin_offset_millis: float | None = None
    end_offset_millis: float | None = None


class _Customer(_Pascal, frozen=True):
    contact_id: str | None = None


class _Characteristics(_Pascal, frozen=True):
    total_conversation_duration_millis: float | None = None


class _File(_Pascal, frozen=True):
    job_status: str | None = None
    language_code: str | None = None
    customer_metadata: _Customer = _Customer()
    participants: tuple[_Participant, ...] = ()
    transcript: tuple[_Turn, ...] = ()
    conversation_characteristics: _Characteristics = _Characteristics()


class _Utterance(_Pascal, frozen=True):
    """Words that are still being recognised: ``PartialContent`` is not read."""


class _Segment(_Pascal, frozen=True):
    transcript: _Turn | None = None
    utterance: _Utterance | None = None


class _Event(_Pascal, frozen=True):
    event_type: str
    contact_id: str | None = None
    language_code: str | None = None
    segments: tuple[_Segment, ...] = ()


def finished(raw: bytes) -> Item | Ignored:
    """Return the call that a file describes; one that could not be analysed is for a person.

    Raises:
        Rejected: it is no such file.
    """
    file = read_json(raw, _File)
    if (file.job_status or "COMPLETED") not in {"COMPLETED", "FAILED"}:
        return Ignored.STATUS
    roles = {
        member.participant_id: role(member.participant_role)
        for member in file.participants
        if member.participant_id
    }
    done = file.job_status != "FAILED"
    return call_item(
        file.customer_metadata.contact_id,
        spoken=conversation(_turn(turn, roles) for turn in file.transcript) if done else FAILED,
        duration_ms=bounded(file.conversation_characteristics.total_conversation_duration_millis),
        engine=ENGINE,
        language=file.language_code,
        op=Operation.UPDATE,
    )


def live(raw: bytes) -> Item | Ignored:
    """Return what an event adds while the call goes on, as a revision of the call.

    A revision has the words of its event only: enough to notice what cannot wait. The file that
    follows has them all. Utterances are still being recognised and are passed over.

    Raises:
        Rejected: it is no such event.
    """
    event = read_json(raw, _Event)
    if event.event_type == "FAILED":
        return call_item(
            event.contact_id,
            spoken=FAILED,
            engine=ENGINE,
            language=event.language_code,
            op=Operation.UPDATE,
        )
    if event.event_type != "SEGMENTS":
        return Ignored.STATUS
    turns = [segment.transcript for segment in event.segments if segment.transcript is not None]
    spoken = conversation(_turn(turn, {}) for turn in turns)
    if not spoken.text:
        heard = any(segment.utterance is not None for segment in event.segments) or bool(turns)
        return Ignored.PARTIAL if heard else Ignored.STATUS
    return call_item(
        event.contact_id,
        spoken=msgspec.structs.replace(spoken, transcript=Transcript.PARTIAL),
        engine=ENGINE,
        language=event.language_code,
        op=Operation.UPDATE,
        revision=next((turn.id for turn in turns if turn.id), None),
    )


def _turn(turn: _Turn, roles: Mapping[str, Role]) -> Turn:
    """Return a turn; in redacted and older files the participant's id is the role itself."""
    participant = turn.participant_id or ""
    return Turn(
        speaker=roles.get(participant) or role(turn.participant_role or participant),
        text=turn.content or "",
        start_ms=bounded(turn.begin_offset_millis),
        end_ms=bounded(turn.end_offset_millis),
    )
