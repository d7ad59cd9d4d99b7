"""How far sources have been read: written to Kafka, after what they cover."""

from __future__ import annotations

from services.ingest.companions import ORIGIN
from services.ingest.flight import Fate, Gathering, Record
from services.ingest.log import Log
from shared import codec, ids, topics
from shared.clock import Clock
from shared.errors import Transient
from shared.events import Watermark

TIMEOUT_S = 10.0


class Watermarks:
    """Writes to the compacted topic; who owns a partition of it has read it before."""

    def __init__(self, log: Log, names: topics.Names, clock: Clock) -> None:
        self._log = log
        self._topic = names.of(topics.WATERMARKS)
        self._clock = clock

    async def store(self, source: str, cursor: str, items: int) -> None:
        """Return once Kafka has the new position of ``source``.

        Raises:
            Transient: it is not known to be written.
        """
        mark = Watermark(source=source, cursor=cursor, at=self._clock.now_ms(), items=items)
        mark_id = ids.digest("", "watermark", source, cursor, str(items))
        headers = codec.headers(mark, mark_id, ORIGIN)
        record = Record(mark_id, self._topic, source.encode(), codec.encode(mark), headers)
        self._log.append(record)
        await Gathering([record]).wait(TIMEOUT_S)
        if record.fate is not Fate.WRITTEN:
            raise Transient(record.fault or f"kafka did not acknowledge within {TIMEOUT_S:g} s")
