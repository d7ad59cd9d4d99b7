"""A call, however it was reported → one item. All reports of one leg have the same native id."""

from __future__ import annotations

from collections.abc import Mapping

from services.ingest.channels.item import Item, Scalar
from services.ingest.channels.phone.caller import caller
from services.ingest.channels.phone.languages import bcp47
from services.ingest.channels.phone.transcript import NOTHING, Spoken
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import UNSTATED, Stated
from shared.events import Call, CallOutcome, Channel, Medium, Operation

_DIRECTIONS = {
    "inbound": "inbound",
    "incoming": "inbound",
    "in": "inbound",
    "outbound": "outbound",
    "outgoing": "outbound",
    "out": "outbound",
}


def call_item(
    call_id: str | int | None,
    *,
    leg: str | int | None = None,
    of: str | None = None,
    outcome: CallOutcome | None = None,
    spoken: Spoken = NOTHING,
    by: str | None = None,
    at: Stated = UNSTATED,
    direction: str | None = None,
    duration_ms: int | None = None,
    queue: str | None = None,
    recording_url: str | None = None,
    engine: str | None = None,
    confidence: float | None = None,
    language: str | None = None,
    op: Operation = Operation.CREATE,
    revision: str | None = None,
    attributes: Mapping[str, Scalar | None] | None = None,
) -> Item:
    """Return the item of a call by the number ``by``; raise ``Rejected`` if the call has no id.

    ``leg`` tells legs apart where the id does not; ``of`` is the call of a leg with its own id.
    """
    base = _base(call_id)
    return Item(
        native_id=base if leg is None else f"{base}:{leg}",
        thread_id=(of or "").strip() or base,
        channel=Channel.PHONE,
        medium=Medium.VOICEMAIL if outcome is CallOutcome.VOICEMAIL else Medium.CALL,
        text=spoken.text,
        turns=spoken.turns,
        call=Call(
            call_id=base,
            outcome=outcome,
            transcript=spoken.transcript,
            direction=_DIRECTIONS.get((direction or "").strip().casefold()),
            duration_ms=duration_ms,
            queue=queue or None,
            recording_url=recording_url or None,
            engine=engine or None,
            confidence=confidence,
        ),
        author=caller(by),
        occurred_at=at.at,
        time_quality=at.quality,
        language=bcp47(language),
        op=op,
        revision=revision,
        attributes=_known(attributes or {}),
    )


def _base(call_id: str | int | None) -> str:
    base = "" if call_id is None else str(call_id).strip()
    if not base:
        raise Rejected(Refusal.MISSING_FIELD, "the id of the call")
    return base


def _known(attributes: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    return {name: value for name, value in attributes.items() if value is not None}
