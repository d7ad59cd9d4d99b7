from __future__ import annotations

from pathlib import Path

from deploy.embedded.kafka_config import render, server_properties


def test_it_listens_to_this_machine_only() -> None:
    properties = server_properties(Path("/data/logs"), 21000, 21001)
    listeners = properties["listeners"].split(",")
    assert [listener.split("://")[1] for listener in listeners] == [
        "127.0.0.1:21000",
        "127.0.0.1:21001",
    ]
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:21001"


def test_backslashes_survive_the_properties_format() -> None:
    assert render({"log.dirs": "/a\\b", "x": "1"}) == "log.dirs=/a\\\\b\nx=1\n"
