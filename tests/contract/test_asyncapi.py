"""The AsyncAPI document: complete, its examples valid, and in order to a parser that is not ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from deploy.docgen.asyncapi import RECEIVES, SENDS
from shared import codec, topics
from shared.events import FeedbackReceived
from shared.topics import Topic

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[2]
NODE = Path(__file__).parent / "node"
DOCUMENT: dict[str, Any] = json.loads(
    (ROOT / "deploy/docs/reference/asyncapi.json").read_text("utf-8")
)
CHANNELS = DOCUMENT["channels"]
MESSAGES = DOCUMENT["components"]["messages"]
CONSTANTS = {name: value for name, value in vars(topics).items() if isinstance(value, Topic)}


def validator(schema: dict[str, Any]) -> Draft7Validator:
    """Return what checks values by a schema of the document, as those who read draft-07 do."""
    whole = {**schema, "components": DOCUMENT["components"]}
    if "$ref" in schema:  # what stands beside a reference is not looked at in draft-07
        whole = {"allOf": [schema], "components": DOCUMENT["components"]}
    Draft7Validator.check_schema(whole)
    return Draft7Validator(whole, format_checker=Draft7Validator.FORMAT_CHECKER)


def test_every_topic_is_a_channel_with_its_messages() -> None:
    assert {channel["address"] for channel in CHANNELS.values()} == {
        topic.name for topic in topics.ALL
    }
    for topic in topics.ALL:
        channel = CHANNELS[topic.name.replace(".", "-")]
        assert {ref["$ref"] for ref in channel["messages"].values()} == {
            f"#/components/messages/{kind.__name__}" for kind in topic.carries
        }
        kafka = channel["bindings"]["kafka"]
        assert kafka["topicConfiguration"]["cleanup.policy"] == topic.cleanup.value.split(",")
        kept = kafka["topicConfiguration"].get("retention.ms")
        assert kept == (None if topic.cleanup is topics.Cleanup.COMPACT else topic.retention_ms)
        assert topic.key in channel["description"]


def test_the_headers_are_those_that_are_written() -> None:
    event = FeedbackReceived(
        feedback_id="f", tenant="t", source="s", channel="email", native_id="n",  # type: ignore[arg-type]
        record_key="t:c", customer_key="c", received_at=1, text="x",
    )  # fmt: skip
    written = {name: value.decode() for name, value in codec.headers(event, "f", "tocsin/test")}
    headers = MESSAGES["FeedbackReceived"]["headers"]
    assert set(written) == set(headers["required"])
    validator(headers).validate(written)
    assert not validator(headers).is_valid(written | {"ce_type": "tocsin.case.event.v1"})


@pytest.mark.parametrize("name", MESSAGES)
def test_examples_are_valid(name: str) -> None:
    message = MESSAGES[name]
    assert message["examples"]
    for example in message["examples"]:
        validator(message["payload"]).validate(example["payload"])
        validator(message["headers"]).validate(example["headers"])
        assert not validator(message["payload"]).is_valid(example["payload"] | {"type": "x"})


def test_every_topic_has_somebody_who_writes_and_reads_it() -> None:
    written = {topic.name for used in SENDS.values() for topic in used}
    assert {topic.name for topic in topics.ALL} - written == {"insights"}
    read = {topic.name for used in RECEIVES.values() for topic in used}
    for_others = {"dead-letters", "feedback.originals"}
    assert {topic.name for topic in topics.ALL} - read == for_others


def test_operations_are_those_of_the_tables() -> None:
    found = {
        (one["action"], one["tags"][0]["name"], one["channel"]["$ref"].rpartition("/")[2])
        for one in DOCUMENT["operations"].values()
    }
    tables = (("send", SENDS), ("receive", RECEIVES))
    assert found == {
        (action, service, topic.name.replace(".", "-"))
        for action, table in tables
        for service, used in table.items()
        for topic in used
    }


def named(service: str) -> Iterator[Topic]:
    """Yield the topics that the code of a service names."""
    for path in (ROOT / "services" / service).rglob("*.py"):
        for name in re.findall(r"\btopics\.([A-Z_]+)\b", path.read_text("utf-8")):
            if name in CONSTANTS:
                yield CONSTANTS[name]


@pytest.mark.parametrize("service", sorted(RECEIVES))
def test_a_service_names_no_topic_that_it_is_not_said_to_use(service: str) -> None:
    said = {*SENDS.get(service, ()), *RECEIVES[service]}
    assert set(named(service)) <= said


# --------------------------------------------------------------------------- another's parser


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install ``@asyncapi/parser`` as locked; what cannot be had is a fault in CI only."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc", "asyncapi.mjs"):
        shutil.copy(NODE / name, folder)
    try:
        subprocess.run(
            ["npm", "ci"], cwd=folder, check=True, capture_output=True, text=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"npm ci: {error}")
    return folder


def parsed(folder: Path, document: dict[str, Any]) -> Any:
    """Return what the parser says of a document."""
    done = subprocess.run(
        ["node", "asyncapi.mjs"],
        cwd=folder, input=json.dumps(document), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_parser_of_asyncapi_finds_nothing_wrong(installed: Path) -> None:
    assert parsed(installed, DOCUMENT) == {"version": "3.1.0", "problems": []}


def test_the_parser_finds_what_is_wrong(installed: Path) -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    broken["components"]["schemas"]["Case"]["type"] = "objekt"
    broken["channels"]["policies"]["messages"]["PolicyVersion"]["$ref"] = "#/nowhere"
    told = parsed(installed, broken)
    assert told["version"] is None
    assert len(told["problems"]) >= 2
