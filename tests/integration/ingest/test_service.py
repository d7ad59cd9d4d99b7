"""The ingest service against real servers: what it accepts is in the log, once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from shared import codec, ids, topics
from shared.errors import Exit
from shared.events import DeadLetter, FeedbackReceived

pytestmark = pytest.mark.integration
Launch = Callable[..., Any]
SINGLE, BATCH = "/v1/feedback", "/v1/feedback:batch"
FEEDBACK: codec.Decoder[FeedbackReceived] = codec.Decoder([FeedbackReceived])
LETTERS: codec.Decoder[DeadLetter] = codec.Decoder([DeadLetter])


def _item(number: object, **fields: Any) -> bytes:
    whole = {
        "id": str(number),
        "channel": "email",
        "text": f"It broke. {number}",
        "author": "a@x.y",
    }
    return json.dumps(whole | fields).encode()


def test_what_is_accepted_is_in_the_log_once(launch: Launch) -> None:
    service = launch()
    accepted = {}
    for number in range(20):
        answer = service.post(SINGLE, _item(number, author=f"user{number}@x.y"))
        assert answer.status == 202
        accepted[answer.json["feedback_id"]] = number
    assert service.post(SINGLE, _item(3, author="user3@x.y")).status == 200
    assert service.post(SINGLE, _item(3, author="user3@x.y", text="worse")).status == 202
    messages = service.records(topics.FEEDBACK_RECEIVED)
    assert len(messages) == 21
    for message in messages:
        event = FEEDBACK.decode(message.value())
        assert message.key().decode() == event.record_key
        assert message.partition() == ids.partition_of(event.record_key, 4)
        headers = dict(message.headers())
        assert headers["ce_id"].decode() == event.feedback_id
        assert headers["ce_source"] == b"tocsin/ingest"
        if event.text != "worse":
            assert accepted[event.feedback_id] == int(event.native_id)
    assert service.metric('tocsin_events_received_total{channel="email"}') == 21
    assert service.metric('tocsin_events_deduplicated_total{channel="email",kind="exact"}') == 1


def test_a_batch_with_bad_lines_in_the_middle(launch: Launch) -> None:
    service = launch()
    lines = [_item(number) for number in range(500)]
    lines[100] = b'{"id": "100", "channel": "email", "txt": "x"}'
    lines[200] = b"\xff\xfe not json"
    answer = service.post(BATCH, b"\n".join(lines), **{"Content-Type": "application/x-ndjson"})
    assert answer.status == 202
    assert (answer.json["accepted"], answer.json["rejected"]) == (498, 2)
    bad = [result for result in answer.json["results"] if result["status"] == "rejected"]
    assert [result["line"] for result in bad] == [101, 201]
    assert "did you mean 'text'" in bad[0]["detail"]
    letters = {
        dict(message.headers())["ce_id"].decode(): LETTERS.decode(message.value())
        for message in service.records(topics.DEAD_LETTERS)
    }
    assert letters[bad[0]["dead_letter"]].value == lines[100]
    assert letters[bad[1]["dead_letter"]].value == lines[200]
    again = service.post(BATCH, b"\n".join(lines))
    assert (again.status, again.json["duplicate"], again.json["rejected"]) == (200, 498, 2)
    assert len(service.records(topics.FEEDBACK_RECEIVED)) == 498
    assert len(service.records(topics.DEAD_LETTERS)) == 2


def test_the_same_item_from_many_senders_at_once(launch: Launch) -> None:
    service = launch()
    statuses: list[int] = []

    def send() -> None:
        statuses.extend(service.post(SINGLE, _item(number)).status for number in range(30))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 210 + [202] * 30
    assert len(service.records(topics.FEEDBACK_RECEIVED)) == 30


def test_what_is_turned_away(launch: Launch) -> None:
    service = launch(ingest__keys="crm:sesame", ingest__max_body_bytes=10_000)
    key = {"Authorization": "Bearer sesame"}
    answer = service.post(SINGLE, _item(1))
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="tocsin"')
    assert service.post(SINGLE, _item(1, text="x" * 10_000), **key).status == 413
    assert service.post(SINGLE, _item(1), **key, **{"Content-Encoding": "gzip"}).status == 415
    assert service.post(SINGLE, _item(1, source="other"), **key).status == 403
    assert service.post(SINGLE, _item(1), **key).status == 202
    [message] = service.records(topics.FEEDBACK_RECEIVED)
    assert FEEDBACK.decode(message.value()).source == "crm"


def test_a_network_address_needs_keys(launch: Launch) -> None:
    service = launch(ready=False, ingest__host="0.0.0.0")  # noqa: S104
    assert service.process.wait(20) == Exit.CONFIG
    assert "ingest.keys is empty" in service.log.read_text()


def test_it_waits_for_its_topics(launch: Launch, kafka: Any) -> None:
    service = launch(topics_exist=False, ready=False)
    service.wait_for(lambda: "topic is missing" in service.get("/readyz").text, 20.0)
    answer = service.post(SINGLE, _item(1))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert service.get("/livez").status == 200
    assert service.stop() == 0


def test_a_restarted_service_still_recognises(launch: Launch) -> None:
    service = launch()
    assert service.post(SINGLE, _item(1)).status == 202
    assert service.stop() == 0
    assert '"written": true' in service.log.read_text()
    again = launch(topics_exist=False)
    assert again.post(SINGLE, _item(1)).status == 200


def test_being_told_to_stop_under_load_loses_nothing(launch: Launch) -> None:
    service = launch()
    taken: set[str] = set()

    def send(worker: int) -> None:
        for number in range(10_000):
            try:
                answer = service.post(SINGLE, _item(f"{worker}-{number}"))
            except OSError:
                return
            if answer.status != 202:
                assert answer.status == 503
                return
            taken.add(answer.json["feedback_id"])

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    service.wait_for(lambda: len(taken) > 100)
    assert service.stop() == 0
    for thread in threads:
        thread.join()
    written = {
        FEEDBACK.decode(message.value()).feedback_id
        for message in service.records(topics.FEEDBACK_RECEIVED)
    }
    assert taken <= written
