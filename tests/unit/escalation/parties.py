"""Customers whose cases have different owners: what one case tells another is delivered by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    EraseIn,
    FeedbackIn,
    Input,
    decide,
)
from services.escalation.domain.policy import Policy
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CommandKind,
    EraseCustomer,
    Kind,
    Severity,
)
from tests.unit.escalation.world import PLAIN, T0, TENANT, feedback


class Parties:
    """The owners of some partitions, and the commands that are on their way between them."""

    def __init__(self, policy: Policy = PLAIN) -> None:
        self.policy = policy
        self.now = T0
        self.cases: dict[str, Case] = {}
        self.sent: list[CaseCommand] = []
        self.log: list[CaseEvent] = []
        self._numbers = 0

    def feed(
        self,
        customer: str,
        severity: Severity = Severity.MEDIUM,
        kind: Kind = Kind.COMPLAINT,
        **fields: Any,
    ) -> Decision:
        """Give a message of a customer, by default a new one in a thread of its own."""
        self._numbers += 1
        given: dict[str, Any] = {
            "thread": f"{customer}-{self._numbers}",
            "received_at": self.now,
        } | fields
        number = given.pop("number", self._numbers)
        item = feedback(number, severity, kind, **given)
        whose = msgspec.structs.replace(
            item.feedback, record_key=ids.record_key(TENANT, customer), customer_key=customer
        )
        return self.give(
            whose.record_key, FeedbackIn(msgspec.structs.replace(item, feedback=whose))
        )

    def open(self, customer: str, *args: Any, **fields: Any) -> str:
        """Let a customer open a case; return its id."""
        outcome = self.feed(customer, *args, **fields).outcome
        assert outcome is not None
        assert outcome.case_id is not None
        return outcome.case_id

    def command(self, kind: CommandKind, case_id: str, **fields: Any) -> Decision:
        """Give a command of Ada's."""
        self._numbers += 1
        given = CaseCommand(
            command_id=f"k{self._numbers}",
            tenant=TENANT,
            case_id=case_id,
            kind=kind,
            actor="ada",
            at=self.now,
        )
        return self.carry_out(msgspec.structs.replace(given, **fields))

    def merge(self, loser: str, into: str) -> Decision:
        """Merge a case into another one."""
        return self.command(CommandKind.MERGE, loser, into=into)

    def erase(self, customer: str) -> Decision:
        """Erase a customer."""
        self._numbers += 1
        key = ids.record_key(TENANT, customer)
        command = EraseCustomer(
            command_id=f"k{self._numbers}",
            tenant=TENANT,
            record_key=key,
            actor="ada",
            at=self.now,
            reason="asked for",
        )
        return self.give(key, EraseIn(command))

    def carry_out(self, command: CaseCommand) -> Decision:
        """Give a command to the owner of its case."""
        return self.give(ids.record_key_of_case(command.case_id), CommandIn(command))

    def give(self, key: str, given: Input) -> Decision:
        """Decide on one input of a customer, and keep the result."""
        decision = decide(self.cases_of(key), given, self.now, self.policy)
        self.cases |= {case.case_id: case for case in decision.cases}
        for case_id in decision.removed:
            del self.cases[case_id]
        self.sent.extend(decision.sent)
        self.log.extend(decision.events)
        return decision

    def cases_of(self, key: str) -> dict[str, Case]:
        """Return all cases of a customer."""
        return {name: case for name, case in self.cases.items() if case.record_key == key}

    def crash(self, number: int) -> None:
        """The owner decides on the ``number``-th command that is on its way, and forgets about it."""
        command = self.sent[number]
        key = ids.record_key_of_case(command.case_id)
        decide(self.cases_of(key), CommandIn(command), self.now, self.policy)

    def deliver(self, number: int = 0, *, again: bool = False) -> Decision:
        """Deliver the ``number``-th command that is on its way; ``again``: it will come once more."""
        command = self.sent[number]
        if not again:
            del self.sent[number]
        return self.carry_out(command)

    def deliver_all(self) -> None:
        """Deliver until nothing is on its way any more."""
        for _ in range(1000):
            if not self.sent:
                return
            self.deliver()
        raise AssertionError("the cases never stop talking")

    def end_of(self, case_id: str) -> Case:
        """Return the case that goes on for ``case_id``; AssertionError when they go in a circle."""
        seen = [case_id]
        while (into := self.cases[seen[-1]].merged_into) is not None:
            assert into not in seen, f"a cycle: {seen}"
            seen.append(into)
        return self.cases[seen[-1]]
