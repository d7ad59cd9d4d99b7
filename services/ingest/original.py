"""Finding a sealed original in its topic."""

from __future__ import annotations

from shared import codec, ids, topics
from shared.config import Kafka
from shared.events import Original
from shared.streams.reader import Cluster, read_to_end
from shared.streams.records import Partition
from shared.topics import Names


def find(kafka: Kafka, digest: str) -> Original | None:
    """Return the original whose digest is ``digest``, None if it is not (any more) there.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """
    name, client = Names(kafka.topic_prefix).of(topics.FEEDBACK_ORIGINALS), kafka.client()
    cluster = Cluster(client)
    count = len(cluster.sources(name))
    source = Partition(name, ids.partition_of(digest, count))
    decoder = codec.Decoder[Original](topics.FEEDBACK_ORIGINALS.carries)
    key = digest.encode()
    for batch in read_to_end(client, {source: 0}, cluster.ends([source])):
        for message in batch:
            if message.key() == key:
                return decoder.decode(message.value() or b"")
    return None
