"""The people of the policy in force, and the routes that follow from them and from the file of sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from typing import Final

import structlog

from services.notifier.registry import Registry
from services.notifier.routing import FixedRoutes
from services.notifier.settings import Sinks
from shared.errors import Misconfigured, Transient
from shared.events import MessageKind
from shared.following import follow

_log = structlog.get_logger(__name__)

People = Mapping[str, Sequence[str]]
"""Person or team → the names of the sinks by which it is told."""

NOBODY: Final[People] = {}


class FixedDirectory:
    """See :class:`services.notifier.ports.Directory`: the people of one version of the policy."""

    def __init__(self, people: People) -> None:
        self._people = people

    def via(self, target: str) -> Sequence[str]:
        """Return the names of the sinks by which a person or a team is told."""
        return self._people.get(target, ())


class FollowedPeople:
    """The people of the policy that came into force last; ``now`` is None until they are known.

    Args:
        end: tells how far the topic of policies is written; asked often.
        load: reads the people; asked when that has changed.
    """

    def __init__(self, end: Callable[[], int], load: Callable[[], People]) -> None:
        self._end = end
        self._load = load
        self._looking = Lock()
        self._seen = -1
        self.now: People | None = None

    def start(self) -> None:
        """Follow the topic for as long as the process lives."""
        follow("people", self.refresh)

    def refresh(self) -> None:
        """Look once; who is known stays known while Kafka is away."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        try:
            end = self._end()
            if end != self._seen:
                people = self._load()
                self.now = people
                self._seen = end
                _log.info("people of the policy in force", known=len(people))
        except (Transient, Misconfigured) as error:
            _log.warning("the policy in force is not known", error=str(error))


class CurrentRoutes:
    """Hands out the routes in force; the same object until sinks or people change."""

    def __init__(
        self, registry: Registry, people: FollowedPeople, replies: Collection[MessageKind]
    ) -> None:
        self._registry = registry
        self._people = people
        self._replies = replies
        self._of: tuple[Sinks, People] | None = None
        self._routes: FixedRoutes | None = None

    def __call__(self) -> FixedRoutes:
        """Return them; called by one thread.

        Raises:
            Transient: nobody knows yet whom the policy names.
        """
        sinks, people = self._registry.sinks, self._people.now
        if people is None:
            raise Transient("the policy in force is not known yet")
        same = self._of is not None and self._of[0] is sinks and self._of[1] is people
        if self._routes is None or not same:
            self._routes = FixedRoutes(sinks, FixedDirectory(people), self._replies)
            self._of = sinks, people
        return self._routes
