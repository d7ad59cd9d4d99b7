"""``reference/asyncapi.json``: AsyncAPI 3.1 of all topics.

Payloads are given in the default schema format, which extends JSON Schema draft-07: what is declared
as 2020-12 is not checked by ``@asyncapi/parser``. Only one keyword of events differs, ``prefixItems``.
Sources: https://www.asyncapi.com/docs/reference/specification/v3.1.0 and bindings/kafka 0.5.0.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.docgen.schemas import Json, components, kinds, mapped, written
from shared import codec, events, topics
from shared.config import Config
from shared.topics import Topic

BINDING = "0.5.0"
MAX_EXAMPLES = 2

SENDS: Mapping[str, tuple[Topic, ...]] = {
    "ingest": (
        topics.FEEDBACK_RECEIVED, topics.FEEDBACK_ORIGINALS, topics.WATERMARKS,
        topics.IDENTITY_LINKS, topics.REPLY_ROUTES, topics.DEAD_LETTERS,
    ),
    "classifier": (topics.FEEDBACK_CLASSIFIED, topics.DEAD_LETTERS),
    "escalation": (
        topics.CASE_EVENTS, topics.CASE_STATE, topics.ESCALATIONS, topics.FOLLOWUPS,
        topics.FEEDBACK_OUTCOMES, topics.CASE_COMMANDS, topics.POLICIES, topics.DEAD_LETTERS,
    ),
    "console": (topics.CASE_COMMANDS,),
    "notifier": (
        topics.NOTIFICATIONS, topics.DELIVERIES, topics.FOLLOWUPS, topics.CASE_COMMANDS,
        topics.DEAD_LETTERS,
    ),
    "commands": (topics.CASE_COMMANDS, topics.FEEDBACK_CORRECTIONS),
}  # fmt: skip
"""Who writes what, by the folder in ``services``; ``commands`` is the command line.

``insights`` are for analyses, none of which is part of Tocsin yet.
"""

RECEIVES: Mapping[str, tuple[Topic, ...]] = {
    "ingest": (topics.WATERMARKS, topics.IDENTITY_LINKS),
    "classifier": (topics.FEEDBACK_RECEIVED, topics.FEEDBACK_CLASSIFIED, topics.FEEDBACK_CORRECTIONS),
    "escalation": (
        topics.FEEDBACK_CLASSIFIED, topics.CASE_COMMANDS, topics.CASE_STATE,
        topics.FEEDBACK_OUTCOMES, topics.POLICIES,
    ),
    "console": (topics.POLICIES,),
    "notifier": (
        topics.ESCALATIONS, topics.FOLLOWUPS, topics.INSIGHTS, topics.NOTIFICATIONS,
        topics.REPLY_ROUTES, topics.POLICIES,
    ),
    "record": (
        topics.FEEDBACK_CLASSIFIED, topics.CASE_EVENTS, topics.CASE_STATE,
        topics.FEEDBACK_CORRECTIONS, topics.DELIVERIES,
    ),
}  # fmt: skip

_DESCRIPTION = """\
Everything that Tocsin writes to Kafka and takes from it. Times are milliseconds since the Unix epoch,
UTC; bytes are base64; optional fields that are not set are left out. Read with
`isolation.level=read_committed`. Consumers pass over types, fields and words that they do not know.

The number of partitions and a prefix of all names are settings of the installation
(`kafka.partitions`, `kafka.topic_prefix`); the bindings have the defaults."""
_HEADERS: Mapping[str, str] = {
    "ce_specversion": "Version of CloudEvents.",
    "ce_id": "Id of the event: the same when it is written again.",
    "ce_source": "Who wrote it.",
    "ce_type": "`tocsin.` and the type of the payload.",
    "content-type": "Of the payload.",
    "traceparent": "W3C trace context, where a sender gave one.",
}
_ALWAYS = [name for name in _HEADERS if name != "traceparent"]


def document(golden: Path, version: str) -> str:
    """Return the document.

    Args:
        golden: folder of the golden messages, ``<event>/v<N>/*.json``; examples come from there.
        version: of the distribution.
    """
    known = kinds()
    schemas = components(known, "#/components/schemas/{name}")
    return written({
        "asyncapi": "3.1.0",
        "id": "urn:tocsin",
        "info": {
            "title": "Tocsin", "version": version, "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {
            "host": "{host}",
            "protocol": "kafka",
            "description": "The brokers of the installation (`kafka.bootstrap_servers`).",
            "variables": {"host": {"default": "127.0.0.1:9092"}},
        }},
        "channels": {_channel_id(topic): _channel(topic) for topic in topics.ALL},
        "operations": dict(_operations()),
        "components": {
            "schemas": {name: draft_07(schema) for name, schema in schemas.items()},
            "messages": {kind.__name__: _message(kind, golden) for kind in known},
        },
    })  # fmt: skip


def draft_07(schema: Mapping[str, object]) -> Json:
    """Return a schema with tuples in the words of draft-07."""
    made = mapped(schema, draft_07)
    if "prefixItems" in made:
        made["items"], made["additionalItems"] = made.pop("prefixItems"), False
    return made


def _channel_id(topic: Topic) -> str:
    """Return the id of a channel, which may have no dots."""
    return topic.name.replace(".", "-")


def _channel(topic: Topic) -> Json:
    settings = topic.settings()
    configured: Json = {"cleanup.policy": topic.cleanup.value.split(",")}
    for name in ("retention.ms", "delete.retention.ms"):
        if name in settings:
            configured[name] = int(settings[name])
    text = f"Key: {topic.key}."
    if topic.cleanup is not topics.Cleanup.DELETE:
        text += " The last record of each key is kept; one without a value takes it out."
    return {
        "address": topic.name,
        "description": text,
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}
            for kind in topic.carries
        },
        "bindings": {"kafka": {
            "topic": topic.name,
            "partitions": topic.partitions or Config().kafka.partitions,
            "topicConfiguration": configured,
            "bindingVersion": BINDING,
        }},
    }  # fmt: skip


def _operations() -> Iterator[tuple[str, Json]]:
    for action, table in (("send", SENDS), ("receive", RECEIVES)):
        for service, used in table.items():
            for topic in used:
                channel = f"#/channels/{_channel_id(topic)}"
                yield (
                    f"{service}-{action}-{_channel_id(topic)}",
                    {
                        "action": action,
                        "channel": {"$ref": channel},
                        "tags": [{"name": service}],
                        "summary": f"{service} {'writes' if action == 'send' else 'reads'} it.",
                    },
                )


def _message(kind: type[events.Struct], golden: Path) -> Json:
    tag = codec.type_tag(kind)
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    summary, _, rest = text.partition("\n\n")
    [key, *_] = [topic.key for topic in topics.ALL if kind in topic.carries]
    if kind is events.CustomerErased:
        key = "tenant:customer"
    return {
        "name": f"tocsin.{tag}",
        "title": kind.__name__,
        "summary": summary.replace("\n", " "),
        **({"description": rest} if rest else {}),
        "contentType": "application/json",
        "headers": _headers(tag),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {
            "key": {"type": "string", "description": key}, "bindingVersion": BINDING,
        }},
        "examples": [_example(path, tag) for path in goldens(golden, tag)[:MAX_EXAMPLES]],
    }  # fmt: skip


def _headers(tag: str) -> Json:
    fixed: dict[str, object] = {
        "ce_specversion": "1.0",
        "ce_type": f"tocsin.{tag}",
        "content-type": "application/json",
    }
    return {
        "type": "object",
        "properties": {
            name: {
                "type": "string",
                "description": text,
                **({"const": fixed[name]} if name in fixed else {}),
            }
            for name, text in _HEADERS.items()
        },
        "required": _ALWAYS,
    }  # fmt: skip


def goldens(golden: Path, tag: str) -> list[Path]:
    """Return the golden messages of a type, the shortest first."""
    name, _, version = tag.rpartition(".v")
    found = (golden / name / f"v{version}").glob("*.json")
    return sorted(found, key=lambda path: (path.stat().st_size, path.name))


def _example(path: Path, tag: str) -> Json:
    return {
        "name": path.stem,
        "headers": {
            "ce_specversion": "1.0",
            "ce_id": "0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e",
            "ce_source": "tocsin/example",
            "ce_type": f"tocsin.{tag}",
            "content-type": "application/json",
        },
        "payload": json.loads(path.read_bytes()),
    }
