"""The view in Redis: one hash slot per partition, all writes through one script.

Only what Redis 6.2, 7, 8 and Valkey share is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from itertools import islice
from typing import cast

import msgspec
import redis
from redis.exceptions import RedisError, ResponseError

from services.escalation.view.model import (
    BACKFILLED,
    STANDINGS,
    STEPPING,
    UNACKNOWLEDGED,
    WAITING,
    Changes,
    Checkpoint,
    Found,
    Place,
    Standing,
    place_of,
    standing_of,
)
from shared.errors import Misconfigured, Transient
from shared.events import Case, CaseState, Severity
from shared.ids import record_key_of_case

SCAN_COUNT = 1_000
SHOWN = (*CaseState, BACKFILLED)

_case = msgspec.json.Decoder(Case)
_checkpoint = msgspec.json.Decoder(Checkpoint)
_encode = msgspec.json.Encoder().encode
_YES = ord("1")


class RedisView:
    """See :class:`services.escalation.view.model.View`.

    Args:
        client: a client that returns bytes.
        namespace: keeps several installations on one Redis apart.
    """

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        self._redis = client
        self._namespace = namespace
        folder = files("services.escalation.view")
        self._apply = client.register_script((folder / "apply.lua").read_text("utf-8"))
        self._fetch = client.register_script((folder / "fetch.lua").read_text("utf-8"))
        self._standing = client.register_script((folder / "standing.lua").read_text("utf-8"))
        self._walk = client.register_script((folder / "walk.lua").read_text("utf-8"))
        self._epochs: dict[int, int] = {}
        self._stored: dict[int, bytes] = {}
        self._walked: dict[str, bytes] = {}

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """Return the checkpoint, or None when there is no (usable) view."""
        with _transient():
            raw = self._redis.get(self._checkpoint_key(partition))
        return self._seen(partition, cast("bytes | None", raw))

    def fetch(self, partition: int, feedback_ids: Sequence[str], keys: Sequence[str]) -> Found:
        """Return which of ``feedback_ids`` have their outcome and the cases of the record keys."""
        while True:
            epoch = self._epochs.get(partition, 0)
            with _transient():
                raw, decided, cases, erased = cast(
                    "tuple[bytes, bytes, list[list[bytes]], list[bytes]]",
                    self._fetch(
                        keys=[self._checkpoint_key(partition), self._prefix(partition, epoch)],
                        args=[len(feedback_ids), *feedback_ids, *keys],
                    ),
                )
            found = self._seen(partition, raw)
            if found is None or found.epoch == epoch:  # else it was another incarnation's data
                break
        return Found(
            found,
            frozenset(fid for fid, seen in zip(feedback_ids, decided, strict=True) if seen == _YES),
            {
                key: {case.case_id: case for case in map(_case.decode, snapshots)}
                for key, snapshots in zip(keys, cases, strict=True)
            },
            {key.decode(): int(at) for key, at in zip(erased[::2], erased[1::2], strict=True)},
        )

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        """Write ``changes`` and the new checkpoint in one step; False when another one was found."""
        cases = {case.case_id: case for case in changes.cases}
        written = (cases, changes.removed, changes.outcomes, changes.erased)
        args: list[str | bytes | int] = [self._as_stored(partition, expected), _encode(new)]
        args += map(len, written)
        for case_id, case in cases.items():
            args += _row(case, changes.encoded.get(case_id))
        for case_id in changes.removed:
            args += (record_key_of_case(case_id), case_id)
        for pairs in (changes.outcomes, changes.erased):
            for pair in pairs.items():
                args += pair
        keys = [self._checkpoint_key(partition), self._prefix(partition, new.epoch)]
        with _transient():
            done = bool(self._apply(keys=keys, args=args))
        if done:
            self._seen(partition, _encode(new))
        return done

    def due(self, partition: int, checkpoint: Checkpoint, now: int, limit: int) -> Sequence[str]:
        """Return the cases with a deadline at or before ``now``, earliest first."""
        key = self._prefix(partition, checkpoint.epoch) + "timers"
        with _transient():
            found = self._redis.zrangebyscore(key, "-inf", now, start=0, num=limit)
        return [raw.decode() for raw in cast("list[bytes]", found)]

    def standing(self, partition: int, checkpoint: Checkpoint) -> Standing:
        """Return the counts for the gauges."""
        pairs = [(str(severity), str(state)) for severity in Severity for state in STANDINGS]
        with _transient():
            timers, counts, oldest = cast(
                "tuple[int, list[int], list[bytes]]",
                self._standing(
                    keys=[self._prefix(partition, checkpoint.epoch)],
                    args=[len(Severity), *Severity, *STANDINGS],
                ),
            )
        return Standing(
            dict(zip(pairs, counts, strict=True)),
            {str(severity): int(at) for severity, at in zip(Severity, oldest, strict=True) if at},
            timers,
        )

    def load(self, partition: int, checkpoint: Checkpoint) -> Mapping[tuple[str, str], int]:
        """Return how many live cases each assignee has, by (assignee, severity); none is left out."""
        with _transient():
            found = self._redis.hgetall(self._prefix(partition, checkpoint.epoch) + "load")
        counts: dict[tuple[str, str], int] = {}
        for raw, count in cast("dict[bytes, bytes]", found).items():
            severity, _, assignee = raw.decode().partition(":")
            counts[assignee, severity] = int(count)
        return counts

    def unattended(
        self, partition: int, checkpoint: Checkpoint, before_ms: int, limit: int
    ) -> Sequence[str]:
        """Return live cases without a deadline, or whose deadline was before ``before_ms``."""
        prefix = self._prefix(partition, checkpoint.epoch)
        args: list[bytes | int | str] = [self._walked.pop(prefix, b"0"), limit, before_ms]
        args += (UNACKNOWLEDGED, len(WAITING), *WAITING, *STEPPING)
        with _transient():
            cursor, found = cast(
                "tuple[bytes, list[bytes]]",
                self._walk(keys=[prefix], args=args),
            )
        self._walked[prefix] = cursor
        return [raw.decode() for raw in dict.fromkeys(found)]

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind."""
        self._walked.pop(self._prefix(partition, epoch), None)
        with _transient():
            left = self._redis.scan_iter(self._prefix(partition, epoch) + "*", SCAN_COUNT)
            while keys := list(islice(left, SCAN_COUNT)):
                self._redis.unlink(*keys)

    def check_eviction(self) -> None:
        """Refuse a Redis that may evict: missing cases would go unnoticed, a lost view would not.

        Raises:
            Misconfigured: ``maxmemory-policy`` evicts.
            Transient: Redis is away. A server that hides its configuration is not checked.
        """
        try:
            with _transient():
                answer = self._redis.config_get("maxmemory-policy")
        except Transient as error:
            if isinstance(error.__cause__, ResponseError):
                return
            raise
        policy = str(cast("dict[str, str]", answer).get("maxmemory-policy", "noeviction"))
        if policy != "noeviction":
            raise Misconfigured(
                f"Redis has maxmemory-policy {policy}: set it to noeviction, or cases vanish silently"
            )

    def by_id(self, partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are."""
        found = self.checkpoint(partition)
        if found is None:
            return {}
        prefix = self._prefix(partition, found.epoch)
        with _transient():
            pipeline = self._redis.pipeline(transaction=False)
            for case_id in case_ids:
                pipeline.hget(f"{prefix}of:{record_key_of_case(case_id)}", case_id)
            cases = [_case.decode(raw) for raw in pipeline.execute() if raw]
        return {case.case_id: case for case in cases}

    def page(
        self,
        partition: int,
        limit: int,
        *,
        states: Collection[CaseState] = (),
        severities: Collection[Severity] = (),
        behind: Place | None = None,
    ) -> list[Case]:
        """Return up to ``limit`` cases, the latest opened first, from ``behind`` on."""
        found = self.checkpoint(partition)
        if found is None:
            return []
        prefix = self._prefix(partition, found.epoch)
        shown = set(states or SHOWN)
        if UNACKNOWLEDGED in shown:
            shown.add(BACKFILLED)
        groups = [
            f"{prefix}in:{severity}:{standing}"
            for severity in (severities or Severity)
            for standing in shown
        ]
        places = sorted(self._behind(groups, limit, behind), reverse=True)
        first = [place.case_id for place in places[:limit]]
        cases = self.by_id(partition, first).values()
        return sorted(cases, key=place_of, reverse=True)

    def newest(self, partition: int, limit: int) -> list[Case]:
        """Return up to ``limit`` cases of a partition, the latest opened first."""
        return self.page(partition, limit)

    def _behind(self, groups: Iterable[str], limit: int, behind: Place | None) -> Iterator[Place]:
        """Yield at least ``limit`` places of each group, as far as there are so many.

        Where thousands were opened in one millisecond, more than one page has to be read for that.
        """
        start = "+inf" if behind is None else behind.opened_at
        missing = dict.fromkeys(groups, limit)
        read = 0
        while missing:
            with _transient():
                pipeline = self._redis.pipeline(transaction=False)
                for key in missing:
                    pipeline.zrevrangebyscore(key, start, "-inf", read, limit, withscores=True)
                pages = cast("list[list[tuple[bytes, float]]]", pipeline.execute())
            read += limit
            for key, page in zip(list(missing), pages, strict=True):
                for raw, at in page:
                    place = Place(int(at), raw.decode())
                    if behind is None or place < behind:
                        missing[key] -= 1
                        yield place
                if missing[key] <= 0 or len(page) < limit:
                    del missing[key]

    def _seen(self, partition: int, raw: bytes | None) -> Checkpoint | None:
        self._stored[partition] = raw or b""
        found = _decoded(raw)
        if found is not None:
            self._epochs[partition] = found.epoch
        return found

    def _as_stored(self, partition: int, expected: Checkpoint | None) -> bytes:
        """Return the bytes to compare with: what another release wrote may differ from ours."""
        raw = self._stored.get(partition, b"")
        if _decoded(raw) == expected:
            return raw
        return _encode(expected) if expected else b""

    def _checkpoint_key(self, partition: int) -> str:
        return f"{self._namespace}:{{{partition}}}:checkpoint"

    def _prefix(self, partition: int, epoch: int) -> str:
        return f"{self._namespace}:{{{partition}}}:{epoch}:"


def _row(case: Case, encoded: bytes | None) -> tuple[str, str, bytes, str, int | str]:
    """Return what apply.lua takes of a case."""
    live = "" if case.state in Case.ENDED else f"+{case.assignee or ''}"
    entry = f"{case.opened_at} {case.severity}:{standing_of(case)} {live}"
    due = case.next_due_at
    raw = encoded or _encode(case)
    return case.record_key, case.case_id, raw, entry, "" if due is None else due


def _decoded(raw: bytes | None) -> Checkpoint | None:
    if not raw:
        return None
    try:
        return _checkpoint.decode(raw)
    except msgspec.DecodeError:
        return None


@contextmanager
def _transient() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Transient(f"Redis: {type(error).__name__}: {error}") from error


def connect(url: str, timeout_s: float) -> redis.Redis:
    """Return a client; nothing is contacted yet.

    redis-py repeats commands by itself after a time-out: every write here is safe twice.
    """
    return redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
