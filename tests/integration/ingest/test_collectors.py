"""Sources that are read, by real processes: positions, ownership, isolation."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import ids, topics
from tests.integration.ingest.conftest import PARTITIONS
from tests.integration.ingest.wire import TOKEN, Wire

pytestmark = pytest.mark.integration
Launch = Callable[..., Any]
SESSION_S = 6.0
"""How long a process that was killed is taken for alive (``kafka.session_timeout_ms``)."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    found = Wire()
    found.start()
    yield found
    found.stop()


def _named(*, upper: bool) -> str:
    """Return the name of a source in the upper or lower half of the partitions: one process each."""
    half = PARTITIONS // 2
    names = (f"wire-{number}" for number in range(100))
    return next(name for name in names if (ids.partition_of(name, PARTITIONS) >= half) is upper)


ONE, TWO = _named(upper=False), _named(upper=True)


def _sources(path: Path, wire: Wire, *, token: str = TOKEN) -> Path:
    """Write a file of two streams, a feed and an instance."""
    streams = [
        f"[sources.{name}]\nprovider = 'bluesky'\n"
        f"options = {{ keywords = 'rail', base_url = '{wire.base(name)}' }}\n"
        for name in (ONE, TWO)
    ]
    feed = (
        "[sources.feed]\nprovider = 'app_store_feed'\n"
        f"options = {{ app_id = '1', country = 'de', poll_s = '1', base_url = '{wire.base('feed')}' }}\n"
    )
    instance = (
        f"[sources.town]\nprovider = 'mastodon'\nsecrets = ['{token}-secret']\n"
        f"options = {{ instance = '{wire.base('town')}' }}\n"
    )
    wire.token = f"{TOKEN}-secret"
    new = path / "sources.new"
    new.write_text("\n".join([*streams, feed, instance]))
    return new.rename(path / "sources.toml")


def _texts(service: Any) -> Counter[str]:
    """Return the texts of all items in the log, and how often each is there."""
    return Counter(
        json.loads(message.value())["text"] for message in service.records(topics.FEEDBACK_RECEIVED)
    )


def _up(service: Any, name: str) -> bool:
    return bool(service.metric(f'tocsin_source_up{{source="{name}"}}') == 1)


def _posts(*numbers: int) -> list[str]:
    return [f"rail {number}" for number in numbers]


def test_a_killed_process_goes_on_where_it_was(launch: Launch, wire: Wire, tmp_path: Path) -> None:
    file = _sources(tmp_path, wire)
    service = launch(ingest__sources_file=file)
    service.wait_for(lambda: wire.readers[ONE] == wire.readers[TWO] == 1, 30)
    wire.review("feed", "The app crashes.")
    expected = {"The app crashes."}
    for number in range(40):
        wire.post(ONE, f"rail {number}", "nice weather")
        wire.post(TWO, f"rail 1{number:03d}")
        expected |= {f"rail {number}", f"rail 1{number:03d}"}
        if number == 30:
            service.wait_for(
                lambda: service.metric('tocsin_events_received_total{channel="social"}') >= 40
            )
    service.wait_for(lambda: _up(service, "feed"))
    service.process.kill()
    service.process.wait()
    wire.post(ONE, *_posts(*range(100, 150)))  # while nobody listens
    wire.review("feed", "Still crashes.")
    expected |= {*_posts(*range(100, 150)), "Still crashes."}
    again = launch(topics_exist=False, ingest__sources_file=file)
    again.wait_for(lambda: expected <= set(_texts(again)), 60.0)
    texts = _texts(again)
    assert set(texts) == expected
    # What was between Kafka's acknowledgement and Redis when it died may be there twice.
    assert sum(texts.values()) <= len(expected) + 20
    assert again.metric('tocsin_events_deduplicated_total{channel="social",kind="exact"}') > 0
    assert wire.cursors[ONE][0] is None
    assert all(cursor is not None for cursor in wire.cursors[ONE][1:])
    assert again.stop() == 0


def test_each_source_is_read_by_one_process_and_taken_over_when_that_dies(
    launch: Launch, wire: Wire, tmp_path: Path
) -> None:
    file = _sources(tmp_path, wire)
    both = [launch(topics_exist=first, ingest__sources_file=file) for first in (True, False)]

    def shared_out() -> bool:
        owners = [[name for name in (ONE, TWO) if _up(one, name)] for one in both]
        return sorted(owners) == sorted([[ONE], [TWO]]) and wire.readers[ONE] == 1

    both[0].wait_for(lambda: shared_out() and wire.readers[TWO] == 1, 30)
    wire.post(ONE, *_posts(1, 2, 3))
    wire.post(TWO, *_posts(11, 12, 13))
    both[0].wait_for(lambda: len(_texts(both[0])) == 6, 20)
    owner, other = both if _up(both[0], ONE) else both[::-1]
    owner.process.kill()
    owner.process.wait()
    died = time.monotonic()
    wire.post(ONE, *_posts(4, 5))
    other.wait_for(lambda: _up(other, ONE) and _up(other, TWO), SESSION_S + 15)
    assert time.monotonic() - died < SESSION_S + 8
    wire.post(ONE, *_posts(6))
    wanted = {*_posts(1, 2, 3, 4, 5, 6, 11, 12, 13)}
    other.wait_for(lambda: set(_texts(other)) == wanted, 20)
    assert set(_texts(other).values()) == {1}
    assert (wire.readers[ONE], wire.readers[TWO]) == (1, 1)
    # One that is told to stop hands over at once.
    third = launch(topics_exist=False, ingest__sources_file=file)
    third.wait_for(lambda: _up(third, ONE) is not _up(third, TWO), 20)
    other.wait_for(lambda: _up(other, ONE) is not _up(other, TWO), 20)
    assert other.stop() == 0
    third.wait_for(lambda: _up(third, ONE) and _up(third, TWO), SESSION_S + 4)
    wire.post(TWO, *_posts(14))
    third.wait_for(lambda: _texts(third)["rail 14"] == 1, 20)


def test_a_revoked_token_stops_one_source_and_a_new_one_starts_it(
    launch: Launch, wire: Wire, tmp_path: Path
) -> None:
    file = _sources(tmp_path, wire)
    service = launch(ingest__sources_file=file)
    service.wait_for(lambda: wire.readers[ONE] == wire.readers["town"] == 1, 30)
    wire.post("town", "The tram was late.")
    service.wait_for(lambda: _texts(service)["The tram was late."] == 1)
    connections = len(wire.cursors[ONE])
    wire.token = "another"
    refused = 'tocsin_source_errors_total{reason="refused",source="town"}'
    service.wait_for(lambda: service.metric(refused) == 1, 20)
    assert not _up(service, "town")
    assert _up(service, ONE)
    wire.post(ONE, *_posts(1))
    service.wait_for(lambda: _texts(service)["rail 1"] == 1)
    _sources(tmp_path, wire, token="token-2")
    wire.token = "token-2-secret"
    service.wait_for(lambda: _up(service, "town"), 20)
    wire.post("town", "Late again.")
    service.wait_for(lambda: _texts(service)["Late again."] == 1)
    assert service.metric(refused) == 1
    assert len(wire.cursors[ONE]) == connections  # the other stream was not touched
