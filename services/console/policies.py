"""The policy in force, from the topic of policies."""

from __future__ import annotations

from collections.abc import Mapping

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Poison, Transient
from shared.events import PolicyVersion
from shared.streams.reader import Cluster, read_to_end
from shared.topics import Names

_decoder = codec.Decoder[PolicyVersion](topics.POLICIES.carries)


def current(client: Mapping[str, Scalar], names: Names) -> PolicyVersion | None:
    """Return the policy that came into force last, None before one was published.

    Raises:
        Transient: Kafka does not answer, or holds a policy that this version cannot read.
        Misconfigured: there is no such topic.
    """
    cluster, topic = Cluster(client), names.of(topics.POLICIES)
    ends = cluster.ends(cluster.sources(topic))
    last: PolicyVersion | None = None
    for batch in read_to_end(client, dict.fromkeys(ends, 0), ends):
        for message in batch:
            if message.value() is None:
                continue
            try:
                found = _decoder.decode(message.value())
            except Poison as poison:
                raise Transient(f"{topic} at {message.offset()}: {poison}") from poison
            if last is None or found.at >= last.at:
                last = found
    return last
