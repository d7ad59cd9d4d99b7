"""Whatever a command or a feedback says, the decision is made, and what it writes fits a record.

An exception in ``decide`` makes a dead letter of a complaint, or leaves a timer stuck; a case that is
too large for a record takes nothing any more. So the fields are filled with what hurts: the ends of
64 bits, times before the calendar begins, texts as long as a command may be.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.bounds import MAX_COMMAND_BYTES, MAX_SKEW
from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    EraseIn,
    FeedbackIn,
    TimerIn,
    decide,
)
from services.escalation.domain.policy import DAY, HOUR
from shared import codec, ids
from shared.events import (
    Author,
    Case,
    CaseCommand,
    Cause,
    Channel,
    Clarification,
    CommandKind,
    EraseCustomer,
    FeedbackClassified,
    FeedbackRef,
    Flag,
    Kind,
    Offer,
    Operation,
    Origin,
    Reason,
    Repeat,
    Resolution,
    Role,
    Severity,
    Solution,
    Verdict,
)
from tests.property.escalation_checks import Watch, check_case
from tests.property.escalation_inputs import a_command
from tests.property.test_escalation_machine import POLICY
from tests.unit.escalation.world import NOT_NEEDED, T0, TENANT, feedback

MAX_INT = 2**63 - 1
MAX_SNAPSHOT = codec.MAX_RECORD_BYTES - MAX_COMMAND_BYTES
"""An event carries a command's note beside the whole case."""

_TIMES = [
    -(2**63), -(2**62), -62_135_596_800_001, -62_135_596_800_000, -1, 0, 1, T0 - 500 * DAY, T0,
    T0 + HOUR, 253_402_300_799_999, 253_402_300_800_000, 2**53, 2**62, MAX_INT,
]  # fmt: skip
_OTHER = ids.case_id(TENANT, "decaf", "f")
_FOREIGN = ids.case_id("other", "c0ffee", "f")
_STEPS = [0, 1, HOUR, 5 * HOUR, DAY, 15 * DAY]


def a_text(chance: Random) -> str | None:
    """Return nothing, a little, or as much as fits a command."""
    odd = ["", " ", "\x00", "ada", "crew", "ghosts", ":", "a:b", "🔥", "\ufeff"]
    longest = [char * chance.choice([150, 3_000, 8_000, 40_000]) for char in ("x", "\x01", "🔥")]
    return chance.choice([None, *odd, *longest])


def a_name(chance: Random) -> str | None:
    """Return a name: mostly one that is let in."""
    odd = [None, "", " ", "\x00", "ada", "crew", "ghosts", "a:b", "🔥"]
    return a_text(chance) if chance.random() < 0.04 else chance.choice(odd)


def a_time(chance: Random, now: int) -> int:
    """Return a time that may be no time at all."""
    return chance.choice([now - HOUR, now, now + HOUR, *_TIMES])


def a_hostile_command(chance: Random, number: int, now: int, case: Case) -> CaseCommand:
    """Return a command with whatever fits the schema in its fields, none larger than is let in."""
    one_of = chance.choice
    text, name = partial(a_text, chance), partial(a_name, chance)
    ref = FeedbackRef(
        feedback_id=text() or f"f{number}",
        channel=one_of(list(Channel)),
        severity=one_of(list(Severity)),
        received_at=a_time(chance, now),
        excerpt=text() or "",
        item=f"item{number}",
        cause=one_of(list(Cause)),
        deleted=one_of([True, False]),
        asked_at=one_of([None, a_time(chance, now)]),
        of=text() or "",
    )
    fields: dict[str, Any] = {
        "follow_up": one_of([0, 1, a_time(chance, now)]),
        "note": text(),
        "assignee": name(),
        "team": name(),
        "until": a_time(chance, now),
        "on": one_of(["customer", "third_party", text()]),
        "clarification": one_of([
            Clarification(asked=text(), answered=text(), not_needed=text()), NOT_NEEDED,
        ]),
        "offer": Offer(
            options=tuple(chance.choices(list(Solution), k=one_of([0, 1, 3_000]))),
            chosen=one_of([None, *Solution]),
            approved_by=name(),
            fulfilled_at=one_of([None, a_time(chance, now)]),
        ),
        "resolution": Resolution(
            outcome=text() or "o", reason=text() or "r", next_step=text() or "n",
            root_cause=text(), prevention=text(),
        ),
        "verdict": one_of(list(Verdict)),
        "severity": one_of(list(Severity)),
        "kind_is": one_of([None, *Kind]),
        "reasons": tuple(chance.choices(list(Reason), k=one_of([0, 2, 3_000]))),
        "into": one_of([name(), case.case_id, case.merged_into, _OTHER, _FOREIGN]),
        "case": a_hostile_loser(chance, number, now, case),
        "feedback": ref,
        "message_id": one_of([None, f"r{number}"]),
        "channel": one_of([None, *Channel]),
    }  # fmt: skip
    command = CaseCommand(
        command_id=one_of([f"h{number}", f"h{number}" + (name() or "")]),
        tenant=TENANT,
        case_id=one_of([case.case_id] * 9 + [ids.case_id(TENANT, "c0ffee", "no such")]),
        kind=one_of(list(CommandKind)),
        actor=name() or "ada",
        at=a_time(chance, now),
        expected_seq=one_of([None] * 9 + [a_time(chance, now)]),
    )
    names = list(fields)
    chance.shuffle(names)
    for field in names:
        fuller = msgspec.structs.replace(command, **{field: fields[field]})
        if len(msgspec.json.encode(fuller)) <= MAX_COMMAND_BYTES:
            command = fuller
    return command


def a_hostile_loser(chance: Random, number: int, now: int, case: Case) -> Case:
    """Return what pretends to be the snapshot of a case of another customer."""
    return msgspec.structs.replace(
        case,
        case_id=chance.choice([_OTHER, case.case_id, _FOREIGN, "", f"c{number}"]),
        record_key=ids.record_key(TENANT, "decaf"),
        state=chance.choice([case.state, "open", "resolved"]),
        opened_at=a_time(chance, now),
        waiting_since=chance.choice([None, a_time(chance, now)]),
        themes=(a_text(chance) or "t",),
        threads=(a_text(chance) or "t",),
        legal_hold=a_text(chance),
    )


def a_hostile_feedback(chance: Random, number: int, now: int, cases: list[Case]) -> FeedbackIn:
    """Return a feedback of any time."""
    one_of = chance.choice
    sent = [reply.id for case in cases for reply in case.replies]
    item: FeedbackClassified = feedback(
        one_of([number, number, max(1, number - 1)]),
        one_of(list(Severity)),
        one_of([Kind.COMPLAINT, *Kind]),
        received_at=a_time(chance, now),
        thread=one_of([None, "t1", "t" * 512]),
        reasons=chance.sample(list(Reason), chance.randint(0, 2)),
        text=one_of(["", "x" * 100_000, "It does not work."]),
        revision=f"r{number}",
        occurred_at=one_of([None, a_time(chance, now)]),
        edited_at=one_of([None, a_time(chance, now)]),
        author=Author(role=one_of([Role.CUSTOMER, *Role]), name="n" * 256),
        origin=one_of([Origin.HUMAN] * 9 + list(Origin)),
        op=one_of([Operation.CREATE] * 9 + list(Operation)),
        flags=one_of([(), (), (), (Flag.BACKFILL,)]),
        parent_id=one_of(["", "p" * 512, *sent]),
        repeat=one_of([None, Repeat(of="gone", count=a_time(chance, now))]),
    )
    return FeedbackIn(item, one_of([None, None, None, a_time(chance, now)]))


class Desk:
    """The cases of one customer, kept as they are written."""

    def __init__(self) -> None:
        self.now = T0
        self.cases: dict[str, Case] = {}
        self.watch = Watch()

    def give(self, given: Any) -> Decision:
        """Decide, and check everything that would be written."""
        decision = decide(self.cases, given, self.now, POLICY)
        self.watch.check(self.cases, decision, self.now)
        for event in decision.events:
            codec.encode(event)
        for command in decision.sent:
            ids.record_key_of_case(command.case_id)
            assert len(codec.encode(command)) <= MAX_COMMAND_BYTES
        for case in decision.cases:
            raw = codec.encode(case)
            assert len(raw) <= MAX_SNAPSHOT
            assert case.next_due_at is None or abs(case.next_due_at) <= MAX_INT
            check_case(case, POLICY, self.now)
            self.cases[case.case_id] = msgspec.json.decode(raw, type=Case)
        if decision.erased is not None:
            codec.encode(decision.erased)
            assert decision.erased.erased_at <= self.now + MAX_SKEW
        for case_id in decision.removed:
            del self.cases[case_id]
        return decision

    def poll(self) -> None:
        """Fire what is due."""
        for name, case in list(self.cases.items()):
            if case.next_due_at is not None and case.next_due_at <= self.now:
                self.give(TimerIn(name))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 60))
def test_no_input_breaks_a_decision(seed: int, count: int) -> None:
    chance, desk = Random(seed), Desk()
    for number in range(1, count):
        cases = list(desk.cases.values())
        turn = chance.random()
        if not cases or turn < 0.2:
            desk.give(a_hostile_feedback(chance, number, desk.now, cases))
        elif turn < 0.5:
            one = a_command(chance, number, desk.now, chance.choice(cases), cases)
            desk.give(CommandIn(one))
        elif turn < 0.98:
            one = a_hostile_command(chance, number, desk.now, chance.choice(cases))
            desk.give(CommandIn(one, {"ada/low": a_time(chance, desk.now)}))
        else:
            desk.give(an_erasure(chance, number, desk.now))
        desk.now += chance.choice(_STEPS)
        desk.poll()


def an_erasure(chance: Random, number: int, now: int) -> EraseIn:
    """Return an erasure that was asked for at any time."""
    command = EraseCustomer(
        command_id=f"e{number}",
        tenant=TENANT,
        record_key=ids.record_key(TENANT, "c0ffee"),
        actor=a_text(chance) or "ada",
        at=a_time(chance, now),
        reason=a_text(chance) or "asked for",
    )
    return EraseIn(command, chance.choice([None, a_time(chance, now)]))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_a_case_stays_small_however_much_is_said(seed: int) -> None:
    """Of each kind again and again, as long as is let in: the case opens, closes and is reopened."""
    chance, desk = Random(seed), Desk()
    desk.give(FeedbackIn(feedback(1, thread="t1")))
    case_id = next(iter(desk.cases))
    for number in range(2, 600):
        case = desk.cases[case_id]
        longest = a_longest_command(chance, number, desk.now, case)
        desk.give(CommandIn(longest))
        if chance.random() < 0.1:
            item = feedback(
                number, received_at=desk.now, thread="t1", text="\x01" * 300, parent_id="p" * 512
            )
            desk.give(FeedbackIn(item))
        desk.now += chance.choice(_STEPS[:4])
        desk.poll()
        if case_id not in desk.cases:
            return


def a_longest_command(chance: Random, number: int, now: int, case: Case) -> CaseCommand:
    """Return a command that is carried out as often as can be, and leaves much behind."""
    longest = chance.choice(["x" * 480, "\x01" * 80, "x" * 9_000])
    name, text = f"{number}-{longest}", "\x01" * 2_000
    kinds = [kind for kind in CommandKind if kind not in {CommandKind.MERGE, CommandKind.UNMERGE}]
    open_ones = [item.number for item in case.follow_ups]
    other = ids.case_id(TENANT, f"decaf{number}", "f")
    loser = msgspec.structs.replace(
        case, case_id=other, record_key=ids.record_key(TENANT, "decaf"), themes=(name,),
        threads=(name,), feedback=(), replies=(), refused=(), commands=(), clocks=(), timers=(),
        follow_ups=(), aliases=(), outcome=None, clarification=None, resolution=None,
    )  # fmt: skip
    command = CaseCommand(
        command_id=name,
        tenant=TENANT,
        case_id=case.case_id,
        kind=chance.choice(kinds),
        actor=name,
        at=now,
        note="n" if len(name) > 1_000 else "\x01" * 4_000,
        follow_up=chance.choice([1, *open_ones]),
        assignee=name,
        severity=chance.choice(list(Severity)),
        message_id=name,
        on="customer",
        until=now + HOUR,
    )
    match command.kind:
        case CommandKind.CLARIFY:
            said = Clarification(asked=text, answered=chance.choice([text, None]))
            return msgspec.structs.replace(command, note="n", clarification=said)
        case CommandKind.RESOLVE:
            how = Resolution(
                outcome=text, reason="r", next_step=chance.choice([text, "n"]), root_cause="c"
            )
            return msgspec.structs.replace(
                command, note="n", resolution=how, clarification=NOT_NEEDED
            )
        case CommandKind.OFFER:
            offer = Offer(options=tuple(Solution), approved_by=None)
            return msgspec.structs.replace(command, offer=offer)
        case CommandKind.ABSORB:
            return msgspec.structs.replace(command, note=None, case=loser)
        case CommandKind.FORWARD:
            ref = FeedbackRef(
                feedback_id=name, channel=Channel.EMAIL, severity=Severity.LOW, received_at=now,
                excerpt=text * 3, item=f"i{number}", of=name, asked_at=now,
            )  # fmt: skip
            return msgspec.structs.replace(command, note=None, feedback=ref)
        case _:
            return command
