"""The policy in force: read at the start, and again whenever its file changes.

A broken file is refused with its lines, and the policy in force stays. A good one is first written to
the topic ``policies`` and acknowledged, then used: whatever names its version can be replayed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Policy
from services.escalation.policies.loading import load
from services.escalation.policies.store import archive_of
from shared.clock import Clock
from shared.config import Escalation
from shared.errors import Misconfigured, Transient
from shared.following import follow, stamp_of
from shared.metrics import Metrics

_log = structlog.get_logger(__name__)


class Policies(Protocol):
    """What tells the policy in force."""

    def now(self) -> Policy:
        """Return it; the same object until it changes. Asked once for each transaction."""


class Store(Protocol):
    """Where policies are kept, see :class:`services.escalation.policies.store.PolicyStore`."""

    def load(self) -> dict[str, Policy]:
        """Return all policies by version, that which came into force last at the end."""

    def keep(self, policy: Policy, at: int, by: str = "") -> None:
        """Write a policy and wait for the acknowledgement."""


class FixedPolicy:
    """A policy that never changes."""

    def __init__(self, policy: Policy = DEFAULT_POLICY) -> None:
        self._policy = policy

    def now(self) -> Policy:
        """Return it."""
        return self._policy


class CurrentPolicy:
    """The policy of a file that may change while the worker runs.

    Args:
        by: who brings it into force, for the record.

    Raises:
        Misconfigured: the file is not usable at the start; the message has all its errors.
    """

    def __init__(
        self, settings: Escalation, store: Store, clock: Clock, metrics: Metrics, by: str = ""
    ) -> None:
        self._file = Path(settings.policy_file) if settings.policy_file else None
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._by = by
        for result in ("used", "refused"):
            metrics.policy_reloads.labels(result)
        self._seen = stamp_of(self._file) if self._file else None
        self._first = self._read(self._file) if self._file else DEFAULT_POLICY
        self._policy: Policy | None = None

    def start(self) -> None:
        """Follow the file for as long as the process lives; does nothing when there is none."""
        if self._file is not None:
            follow("policy", self.refresh)

    def now(self) -> Policy:
        """Return the policy in force, with the calendars of those before it.

        Raises:
            Transient: the first time, when Kafka does not keep it.
        """
        return self._policy or self._enter(self._first)

    def refresh(self) -> bool:
        """Look at the file once; return whether another policy is in force now."""
        file, former = self._file, self._policy
        if file is None or former is None:
            return False
        stamp = stamp_of(file)
        if stamp == self._seen:
            return False
        try:
            policy = self._read(file)
            if stamp_of(file) != stamp:  # somebody is writing it: the next look sees all of it
                return False
            if policy.version != former.version:
                self._enter(policy)
                self._metrics.policy_reloads.labels("used").inc()
                _log.info("another policy is in force", version=policy.version)
        except Misconfigured as error:
            self._metrics.policy_reloads.labels("refused").inc()
            lines = str(error).split("\n")
            _log.error("policy refused, the former one stays", version=former.version, errors=lines)
        except Transient as error:
            _log.warning("the new policy waits for Kafka", error=str(error))
            return False
        self._seen = stamp
        return self._policy is not former

    def _enter(self, policy: Policy) -> Policy:
        """Bring a policy into force: the topic has it before anything is decided by it."""
        kept = self._store.load()
        last = next(reversed(kept), None)
        if last != policy.version or kept[last] != policy:
            self._store.keep(policy, self._clock.now_ms(), self._by)
        archived = msgspec.structs.replace(policy, archive=archive_of(kept.values()))
        if self._policy is not None:
            self._metrics.policy_info.remove(self._policy.version)
        self._metrics.policy_info.labels(policy.version).set(1)
        self._policy = archived
        return archived

    def _read(self, file: Path) -> Policy:
        examined = load(file, self._clock.now_ms())
        for warning in examined.warnings:
            _log.warning("doubtful policy", at=str(warning))
        if examined.policy is None:  # load has raised
            raise Misconfigured(f"policy file {file}")
        return examined.policy
