"""The code of the page about the client runs, against a real broker."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.client import FollowUps, Stream
from shared.events import CaseEvent
from shared.topics import CASE_EVENTS, ESCALATIONS
from tests.contract.client_beds import KafkaBed, customers, escalation
from tests.services import Installation

pytestmark = [pytest.mark.integration, pytest.mark.source_tree]
PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "client.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
FIRST, PAGING, REPLAY, SECURED, TESTING = range(5)


@pytest.fixture
def bed(installation: Installation) -> KafkaBed:
    return KafkaBed(installation, (ESCALATIONS, CASE_EVENTS))


def run(number: int, bed: KafkaBed, **names: Any) -> dict[str, Any]:
    """Run a block with these names, on the broker of the test, until nothing is left."""
    where = (
        f'bootstrap="{bed.installation.bootstrap}", prefix="{bed.installation.prefix}", idle_s=1.0'
    )
    block = BLOCKS[number].replace('bootstrap="localhost:9092"', where)
    block = re.sub(r'group="(\w[\w-]*)"', rf'group="{bed.group}-\1"', block)
    exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)  # noqa: S102
    return names


class Tickets:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def upsert(self, reference: str, case: object) -> None:
        self.rows[reference] = case


class Pager:
    """Busy at first."""

    is_busy = True

    def __init__(self) -> None:
        self.shown: list[CaseEvent] = []

    def show(self, event: CaseEvent) -> None:
        self.shown.append(event)


def test_the_page_has_these_blocks() -> None:
    assert len(BLOCKS) == 5


def test_the_first_block_has_one_ticket_per_case(bed: KafkaBed) -> None:
    first, second = customers(2)
    for name, seq in ((first, 1), (second, 1), (first, 2)):
        bed.publish(escalation(name, seq))
    tickets = Tickets()
    run(FIRST, bed, tickets=tickets)
    assert sorted(case.case_seq for case in tickets.rows.values()) == [1, 2]


def test_the_block_about_errors_retries_and_parks(bed: KafkaBed) -> None:
    ours, foreign = customers(2)
    bed.publish(escalation(ours))
    bed.publish(escalation(foreign, tenant="globex"))
    pager = Pager()
    made: Stream[CaseEvent] = run(PAGING, bed, pager=pager)["stream"]
    assert pager.shown == [escalation(ours)]
    assert (made.counts["retried"], made.counts["parked"]) == (2, 1)  # type: ignore[index]


def test_the_block_about_reading_again_counts_what_is_there(bed: KafkaBed) -> None:
    for seq in (1, 2, 3):
        bed.publish(escalation("c0", seq))
    seen: Counter[str] = Counter()
    asyncio.run(run(REPLAY, bed, seen=seen)["count"]())
    assert seen == {"escalation.triggered": 3}


def test_the_block_about_testing_passes(bed: KafkaBed) -> None:
    names = run(TESTING, bed, event=escalation("a"), later=escalation("b"))
    assert names["stream"].acknowledged


def test_the_block_about_security_is_a_stream(bed: KafkaBed) -> None:
    made: list[FollowUps] = []
    block = BLOCKS[SECURED].replace("FollowUps(\n", "made.append(FollowUps(\n")
    exec(compile(block.rstrip() + ")", PAGE.name, "exec"), {"made": made})  # noqa: S102
    assert made[0].kafka["security_protocol"] == "SASL_SSL"
