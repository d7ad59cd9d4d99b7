"""Sends a command to a case, and waits until the view shows what became of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from services.escalation.domain.bounds import MAX_COMMAND_BYTES, remembered
from services.escalation.domain.severity import RANK
from services.escalation.view.model import Found
from services.escalation.view.redis_view import RedisView, connect
from shared import codec
from shared.commands import CommandSender, CorrectionSender
from shared.errors import Misconfigured, Transient
from shared.events import Case, CaseCommand, Cause, FeedbackRef, Refused, Struct
from shared.ids import partition_of, record_key_of_case
from shared.topics import Names

if TYPE_CHECKING:
    from shared.config import Config

WAIT_S = 10.0
POLL_S = 0.05
_NO_VIEW = "there is no case view yet: an escalation worker builds it"
_SAID = frozenset({Cause.FEEDBACK, Cause.REPEAT_CONTACT})


class Told(Struct, frozen=True, omit_defaults=False):
    """What became of a command; ``refused`` None: it was carried out.

    ``correction`` is the id of what the next model learns, ``not_learnt`` why there is nothing.
    """

    command_id: str
    case: Case
    refused: Refused | None = None
    correction: str | None = None
    not_learnt: str | None = None


class NoSuchCase(Exception):
    """The view has no such case (any more)."""


class Desk:
    """The case view of an installation, and the way to its cases."""

    def __init__(self, settings: Config) -> None:
        from services.escalation.__main__ import view_namespace

        self._settings = settings
        client = connect(settings.redis.url, settings.redis.timeout_s)
        self.view = RedisView(client, view_namespace(settings))
        self.partitions = settings.kafka.partitions

    def check(self) -> None:
        """Raise ``Transient`` when nobody has built a view yet: it only seems that there is nothing."""
        if all(self.view.checkpoint(number) is None for number in range(self.partitions)):
            raise Transient(_NO_VIEW)

    def case(self, case_id: str) -> Case:
        """Return a case.

        Raises:
            Misconfigured: ``case_id`` is not one.
            NoSuchCase: there is none of that id.
            Transient: Redis does not answer, or nobody has built the view yet.
        """
        try:
            key = record_key_of_case(case_id)
        except ValueError as error:
            raise Misconfigured(str(error)) from error
        number = partition_of(key, self.partitions)
        case = self.view.by_id(number, [case_id]).get(case_id)
        if case is not None:
            return case
        if self.view.checkpoint(number) is None:
            raise Transient(_NO_VIEW)
        raise NoSuchCase(case_id)

    def customer(self, record_key: str) -> Found:
        """Return the cases of a customer, and when it was erased (same errors as :meth:`case`)."""
        number = partition_of(record_key, self.partitions)
        found = self.view.fetch(number, [], [record_key])
        if found.checkpoint is None:
            raise Transient(_NO_VIEW)
        return found

    def carry_out(self, command: CaseCommand) -> Told:
        """Send a command and return what became of it; sent again under its id, it counts once.

        Raises:
            Transient: Kafka does not take it, or no worker has taken it within ten seconds.
            NoSuchCase: the case went meanwhile.
            Misconfigured: it says more than a worker takes.
        """
        if len(codec.encode(command)) > MAX_COMMAND_BYTES:
            raise Misconfigured(f"say it shorter: a command has at most {MAX_COMMAND_BYTES} bytes")
        name = remembered(command.command_id, command.tenant)
        kafka = self._settings.kafka
        sender = CommandSender(kafka.client(), Names(kafka.topic_prefix), kafka.partitions)
        sender.send(command)
        sender.flush()
        deadline = time.monotonic() + WAIT_S
        while name not in (case := self.case(command.case_id)).commands:
            if time.monotonic() > deadline:
                raise Transient(
                    f"command {command.command_id} is in Kafka, but no escalation worker has taken it "
                    f"within {WAIT_S:g} s. Nothing is lost: it is carried out when one runs"
                )
            time.sleep(POLL_S)
        answers = {one.command_id: one for one in case.refused}
        return Told(command_id=command.command_id, case=case, refused=answers.get(name))

    def teach(self, told: Told, command: CaseCommand, feedback_id: str | None) -> Told:
        """Have the next model learn a severity that was corrected by hand.

        Raises:
            Misconfigured: the case does not list ``feedback_id``.
            Transient: Kafka does not answer.
        """
        from services.classifier.corrections import Word, correction, find

        if command.severity is None:
            return told
        ref = meant(told.case, feedback_id)
        event = None if ref is None else find(self._settings.kafka, ref.feedback_id)
        if event is None:
            return msgspec.structs.replace(told, not_learnt="no text of this case is kept any more")
        word = Word(
            severity=command.severity,
            by=command.actor,
            at=command.at,
            kind=command.kind_is,
            reasons=command.reasons,
            note=command.note,
            command_id=command.command_id,
        )
        made = correction(event, word)
        kafka = self._settings.kafka
        sender = CorrectionSender(kafka.client(), Names(kafka.topic_prefix), kafka.partitions)
        sender.send(made)
        sender.flush()
        return msgspec.structs.replace(told, correction=made.correction_id)


def meant(case: Case, feedback_id: str | None = None) -> FeedbackRef | None:
    """Return the text that a severity comes from: the gravest that the customer said, the last such.

    Raises:
        Misconfigured: ``feedback_id`` is given, and the case does not list it.
    """
    if feedback_id is not None:
        named = [ref for ref in case.feedback if ref.feedback_id == feedback_id]
        if not named:
            raise Misconfigured(f"--feedback: the case does not list {feedback_id}")
        return named[-1]
    said = [ref for ref in case.feedback if ref.cause in _SAID and not ref.deleted]
    return max(said, key=lambda ref: (RANK[ref.severity], ref.received_at), default=None)
