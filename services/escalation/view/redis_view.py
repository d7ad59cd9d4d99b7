"""The view in Redis: one hash slot per partition, all writes through one script.

Only what Redis 6.2, 7, 8 and Valkey share is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import TypeVar, cast

import msgspec
import redis
from redis.exceptions import RedisError, ResponseError

from services.escalation.view.model import (
    BACKFILLED,
    STANDINGS,
    Changes,
    Checkpoint,
    Found,
    Standing,
)
from shared.errors import Misconfigured, Transient
from shared.events import Case, CaseState, Severity
from shared.ids import record_key_of_case

T = TypeVar("T")
SCAN_COUNT = 1_000
UNACKNOWLEDGED = CaseState.OPEN

_case = msgspec.json.Decoder(Case)
_checkpoint = msgspec.json.Decoder(Checkpoint)
_encode = msgspec.json.Encoder().encode


def group_of(case: Case) -> str:
    """Return the ``severity:standing`` a live case is counted under; empty for a closed one."""
    if case.state is CaseState.CLOSED:
        return ""
    quiet = case.backfilled and case.state is UNACKNOWLEDGED
    return f"{case.severity}:{BACKFILLED if quiet else case.state}"


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
        self._epochs: dict[int, int] = {}
        self._stored: dict[int, bytes] = {}

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
                raw, decided, cases = cast(
                    "tuple[bytes, list[int], list[list[bytes]]]",
                    self._fetch(
                        keys=[self._checkpoint_key(partition), self._prefix(partition, epoch)],
                        args=[len(feedback_ids), *feedback_ids, *keys],
                    ),
                )
            found = self._seen(partition, raw)
            if found is None or found.epoch == epoch:  # else it was another incarnation's data
                break
        by_key = {
            key: {case.case_id: case for case in map(_case.decode, snapshots)}
            for key, snapshots in zip(keys, cases, strict=True)
        }
        known = frozenset(fid for fid, seen in zip(feedback_ids, decided, strict=True) if seen)
        return Found(found, known, by_key)

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        """Write ``changes`` and the new checkpoint in one step; False when another one was found."""
        args: list[str | bytes | int] = [self._as_stored(partition, expected), _encode(new)]
        for case in changes.cases:
            args += [
                "C", case.record_key, case.case_id, _encode(case), case.opened_at, group_of(case),
                "" if case.next_due_at is None else case.next_due_at,
            ]  # fmt: skip
        for case_id in changes.removed:
            args += ["D", record_key_of_case(case_id), case_id]
        for feedback_id, until in changes.outcomes.items():
            args += ["S", feedback_id, until]
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
        prefix = self._prefix(partition, checkpoint.epoch)
        live = [(severity, state) for severity in Severity for state in STANDINGS]
        with _transient():
            pipeline = self._redis.pipeline(transaction=False)
            for severity, state in live:
                pipeline.zcard(f"{prefix}in:{severity}:{state}")
            for severity in Severity:
                key = f"{prefix}in:{severity}:{UNACKNOWLEDGED}"
                pipeline.zrange(key, 0, 0, withscores=True)
            pipeline.zcard(prefix + "timers")
            answers = pipeline.execute()
        counts, oldest = answers[: len(live)], answers[len(live) : -1]
        return Standing(
            {
                (str(severity), str(state)): int(n)
                for (severity, state), n in zip(live, counts, strict=True)
            },
            {
                str(severity): int(found[0][1])
                for severity, found in zip(Severity, oldest, strict=True)
                if found
            },
            int(answers[-1]),
        )

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind."""
        with _transient():
            for key in self._redis.scan_iter(self._prefix(partition, epoch) + "*", SCAN_COUNT):
                self._redis.unlink(key)

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

    def newest(self, partition: int, limit: int) -> list[Case]:
        """Return up to ``limit`` cases of a partition, the latest opened first."""
        found = self.checkpoint(partition)
        if found is None:
            return []
        prefix = self._prefix(partition, found.epoch)
        with _transient():
            ids = cast("list[bytes]", self._redis.zrevrange(prefix + "cases", 0, limit - 1))
            pipeline = self._redis.pipeline(transaction=False)
            for raw in ids:
                case_id = raw.decode()
                pipeline.hget(f"{prefix}of:{record_key_of_case(case_id)}", case_id)
            return [_case.decode(raw) for raw in pipeline.execute() if raw]

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
