"""The commands of ``tocsin cases``: what is typed becomes what is meant, and a case reads well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from services.commands import cases
from services.commands.cases_options import AHEAD, BACK, Given, When, converted, tree_of
from services.commands.cases_send import Told, meant
from services.commands.cases_text import describe, summary
from services.commands.cases_verbs import ASIDE, VERBS, Verb
from services.escalation.domain.policy import DAY, HOUR
from shared.config import Config
from shared.errors import Misconfigured
from shared.events import (
    Case,
    CaseCommand,
    Cause,
    Clarification,
    CommandKind,
    Flag,
    Offer,
    Reason,
    Resolution,
    Severity,
    Solution,
    Struct,
)
from tests.unit.escalation.world import T0, World

INTERNAL = {
    CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD, CommandKind.FORGET,
    CommandKind.AUDIT,
}  # fmt: skip
BASE: Mapping[str, Given] = {
    "command_id": "c1", "tenant": "acme", "case_id": "acme:c:000000000000", "actor": "ada",
    "kind": "note", "at": When(T0),
}  # fmt: skip


def made(**given: Given) -> CaseCommand:
    return converted(tree_of({**BASE, **given}, T0), CaseCommand)


class Sent:
    """Takes the place of the desk: remembers what would be sent."""

    def __init__(self, case: Case) -> None:
        self.known = case
        self.commands: list[CaseCommand] = []
        self.taught: list[str | None] = []

    def __call__(self, settings: Config) -> Sent:
        return self

    def case(self, case_id: str) -> Case:
        return self.known

    def carry_out(self, command: CaseCommand) -> Told:
        self.commands.append(command)
        return Told(command_id=command.command_id, case=self.known)

    def teach(self, told: Told, command: CaseCommand, feedback_id: str | None) -> Told:
        self.taught.append(feedback_id)
        return told


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Sent:
    world = World()
    world.feed(Severity.HIGH)
    found = Sent(world.case)
    monkeypatch.setattr("services.commands.cases_send.Desk", found)
    return found


def run(*words: str) -> Any:
    return CliRunner().invoke(cases.command, [*words], obj=(None, ()))


def test_whatever_people_can_ask_of_a_case_has_a_command() -> None:
    kinds = [verb.kind for verb in VERBS]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) == set(CommandKind) - INTERNAL


def flat(struct: type[Struct]) -> set[str]:
    return set(struct.__struct_fields__)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_parameter_is_a_field_of_the_command(verb: Verb) -> None:
    group: click.Command = cases.command
    for word in verb.name.split():
        assert isinstance(group, click.Group)
        group = group.commands[word]
    nested: dict[str, type[Struct]] = {
        "clarification": Clarification,
        "offer": Offer,
        "resolution": Resolution,
    }
    for parameter in group.params:
        head, _, inner = str(parameter.name).partition("__")
        if head in {*ASIDE, "as_json"}:
            continue
        assert head in flat(CaseCommand), parameter.name
        assert not inner or inner in flat(nested[head]), parameter.name
        help_text = getattr(parameter, "help", None)
        assert isinstance(parameter, click.Argument) or help_text, parameter.name
    assert group.params[0].name == "case_id"
    assert {"actor", "expected_seq", "command_id", "as_json"} <= {one.name for one in group.params}
    assert {*verb.either} <= {one.name for one in group.params}


def test_options_become_the_fields_they_name() -> None:
    command = made(
        kind="resolve", resolution__outcome="a", resolution__reason="b", resolution__next_step="c",
        clarification__not_needed="d", note=None, reasons=(), expected_seq=4,
    )  # fmt: skip
    assert command == CaseCommand(
        command_id="c1",
        tenant="acme",
        case_id="acme:c:000000000000",
        kind=CommandKind.RESOLVE,
        actor="ada",
        at=T0,
        expected_seq=4,
        resolution=Resolution(outcome="a", reason="b", next_step="c"),
        clarification=Clarification(not_needed="d"),
    )
    offered = made(kind="offer", offer__options=("refund",), offer__fulfilled_at=When(0, span=True))
    assert offered.offer == Offer(options=(Solution.REFUND,), fulfilled_at=T0)
    with pytest.raises(click.UsageError, match=r"expected_seq"):
        made(expected_seq=2**64)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("4h", AHEAD, T0 + 4 * HOUR),
        ("2d", BACK, T0 - 2 * DAY),
        ("0s", BACK, T0),
        ("1970-01-01T01:00:00+01:00", AHEAD, 0),
        ("1970-01-02", BACK, DAY),
    ],
)
def test_times_and_spans(text: str, kind: click.ParamType, expected: int) -> None:
    found = kind.convert(text, None, None)
    assert isinstance(found, When)
    assert found.resolved(T0) == expected
    assert kind.convert(found, None, None) == found


@pytest.mark.parametrize("text", ["tomorrow", "", "4", "-4h", "2026-05-01T12:00:00", "99999999h"])
def test_a_time_without_a_zone_or_of_no_form_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a time"):
        AHEAD.convert(text, None, None)


def test_what_is_typed_is_what_is_sent(desk: Sent) -> None:
    case_id = desk.known.case_id
    lines = (
        ("acknowledge", case_id, "--note", "mine"),
        ("follow-up", "waive", case_id, "2"),
        ("merge", case_id, "acme:x:000000000000"),
        ("decide", case_id, "planned", "--note", "soon"),
        ("wait", case_id, "--on", "customer"),
        ("note", case_id, "--command-id", "own", "--expected-seq", "3", "A word."),
        ("correct-severity", case_id, "low", "--reason", "price", "--reason", "quality"),
        ("correct-severity", case_id, "high", "--no-learn"),
    )
    for words in lines:
        assert run(*words, "--actor", "eve").exit_code == 0
    kinds = [one.kind for one in desk.commands]
    assert kinds[:3] == [CommandKind.ACKNOWLEDGE, CommandKind.FOLLOW_UP_WAIVE, CommandKind.MERGE]
    assert {one.actor for one in desk.commands} == {"eve"}
    assert {one.tenant for one in desk.commands} == {"acme"}
    assert len({one.command_id for one in desk.commands}) == len(lines)
    assert (desk.commands[1].follow_up, desk.commands[2].into) == (2, "acme:x:000000000000")
    note = desk.commands[5]
    assert (note.command_id, note.expected_seq, note.note) == ("own", 3, "A word.")
    assert desk.commands[6].reasons == (Reason.PRICE, Reason.QUALITY)
    assert desk.taught == [None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("assign", "x"), "one of these is needed: --to, --team"),
        (("clarify", "x"), "one of these is needed: --asked, --answered, --not-needed"),
        (("offer", "x"), "one of these is needed: --option, --chosen, --approved-by, --fulfilled"),
        (("resolve", "x"), "--outcome"),
        (("delegate", "x", "--to", "ben"), "--note"),
        (("wait", "x"), "customer"),
        (("snooze", "x", "--until", "later"), "2026-05-01T12:00:00Z"),
        (("decide", "x", "maybe", "--note", "y"), "planned"),
        (("correct-severity", "x", "undetermined"), "critical"),
        (("follow-up", "done", "x", "0"), "x>=1"),
        (("close", "x", "--expected-seq", "two"), "integer"),
    ],
)
def test_what_is_missing_or_wrong_is_said(desk: Sent, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert desk.commands == []


def test_the_gravest_text_that_the_customer_said_is_learnt_from() -> None:
    world = World()
    world.feed(Severity.MEDIUM, thread="a")
    world.feed(Severity.HIGH, thread="a", text="It smokes.")
    world.feed(Severity.LOW, thread="a")
    case = world.case
    found = meant(case)
    assert found is not None
    assert (found.severity, found.excerpt) == (Severity.HIGH, "It smokes.")
    assert meant(case, case.feedback[0].feedback_id) == case.feedback[0]
    with pytest.raises(Misconfigured):
        meant(case, "another")
    own = tuple(
        msgspec.structs.replace(ref, cause=Cause.OWN_SIDE)
        if ref == found
        else msgspec.structs.replace(ref, deleted=True)
        for ref in case.feedback
    )
    assert meant(msgspec.structs.replace(case, feedback=own)) is None


def lived() -> World:
    world = World()
    world.feed(Severity.HIGH, thread="a", reasons=[Reason.DELAY], text="Late\x1b[2J again.")
    world.acknowledge()
    world.command(CommandKind.REPLY, message_id="m-1")
    world.command(CommandKind.BOUNCE, message_id="m-1")
    world.run(2 * DAY)
    world.command(CommandKind.OFFER, offer=Offer(options=(Solution.REFUND,)))
    world.resolve()
    world.command(CommandKind.CLOSE)
    world.command(CommandKind.HOLD, note="in court")
    return world


def test_a_case_is_told_as_it_stands() -> None:
    world = lived()
    text = describe(world.case, world.now)
    for words in (
        "resolved", "delay", "ada", "BREACHED", "m-1", "BOUNCED", "offered: refund",
        "outcome: refunded", "next step: the money is there in 3 days", "follow-up 1 falls due",
        "confirm", "(in 2d", "not_allowed", "legal hold: in court",
    ):  # fmt: skip
        assert words in text, words
    assert "\x1b" not in text
    assert world.case.case_id in summary(world.case)
    assert "\n" not in summary(world.case)


def test_odd_cases_are_told_as_well() -> None:
    world = World()
    world.feed(Severity.HIGH, flags=(Flag.BACKFILL,))
    assert "nobody is paged" in describe(world.case, world.now)
    far = msgspec.structs.replace(
        world.case,
        opened_at=2**62, reopen_count=2, quarantined=True, bundle="f1", merged_into="acme:x:1",
        aliases=("acme:y:1",), set_by="eve", feedback_count=99, timers=(), clocks=(),
    )  # fmt: skip
    text = describe(far, world.now)
    for words in (str(2**62), "reopened 2 times", "quarantined", "part 1", "acme:x:1", "acme:y:1",
                  "set by eve", "and 98 more", "nothing is pending"):  # fmt: skip
        assert words in text
