"""What can be done to a case from the command line: one table, from which the commands are made.

The name of an option's parameter is the field of :class:`shared.events.CaseCommand` that it fills;
``resolution__outcome`` is the field ``outcome`` of its ``resolution``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import click

from services.commands.cases_options import AHEAD, BACK, among
from shared.events import Channel, CommandKind, Kind, Reason, Severity, Solution, Verdict

Parameter = Callable[[Callable[..., object]], Callable[..., object]]
"""A decorator of click that adds an option or an argument."""

LEARN: Final = "learn"
FEEDBACK: Final = "of_feedback"
ASIDE: Final = (LEARN, FEEDBACK)
"""Parameters of ``correct-severity`` that are for the next model and not for the case."""


@dataclass(frozen=True)
class Verb:
    """A command: ``name`` (of a group and in it, where it has a space), and what it is for.

    One of the parameters in ``either`` has to be given; ``also`` is another name of it.
    """

    name: str
    kind: CommandKind
    help: str
    parameters: tuple[Parameter, ...] = ()
    either: tuple[str, ...] = ()
    also: str = ""


def _note(text: str = "A remark for the record.", *, required: bool = False) -> Parameter:
    return click.option("--note", required=required, help=text)


_MESSAGE_ID: Final = click.option(
    "--message-id", help="Id of the message, to know it if it bounces."
)
_CHANNEL: Final = click.option("--channel", type=among(Channel), help="Where it was said.")
_PEOPLE: Final = (
    click.option("--to", "assignee", metavar="NAME", help="A person."),
    click.option("--team", help="A team: who is on duty and has least to do gets the case."),
)
_CLARIFICATION: Final = (
    click.option("--asked", "clarification__asked", help="What the customer was asked."),
    click.option("--answered", "clarification__answered", help="What the customer answered."),
    click.option("--not-needed", "clarification__not_needed", help="Why nothing had to be asked."),
)
_NUMBER: Final = click.argument("follow_up", metavar="NUMBER", type=click.IntRange(min=1))

VERBS: Final = (
    Verb(
        "ack",
        CommandKind.ACKNOWLEDGE,
        "Acknowledge the escalation: it stops, and the case is yours.",
        (_note(),),
        also="acknowledge",
    ),
    Verb(
        "assign",
        CommandKind.ASSIGN,
        "Give the case to a person or a team; who has too much already is passed over.",
        (*_PEOPLE, _note()),
        either=("assignee", "team"),
    ),
    Verb(
        "delegate",
        CommandKind.DELEGATE,
        "Hand the case on, and say what the other one is to do.",
        (*_PEOPLE, _note("What the other one is to do.", required=True)),
        either=("assignee", "team"),
    ),
    Verb("investigate", CommandKind.INVESTIGATE, "Say that you look into it.", (_note(),)),
    Verb(
        "wait",
        CommandKind.WAIT,
        "Wait for the customer, or until a time for somebody else.",
        (
            click.option(
                "--on",
                required=True,
                type=click.Choice(["customer", "third_party"]),
                help="Whom the case waits for.",
            ),
            click.option(
                "--until", type=AHEAD, help="When it is looked at again; third_party needs it."
            ),
            _note(),
        ),
    ),
    Verb(
        "clarify",
        CommandKind.CLARIFY,
        "Record what was asked and answered, or why that is not needed.",
        (*_CLARIFICATION, _note()),
        either=("clarification__asked", "clarification__answered", "clarification__not_needed"),
    ),
    Verb(
        "offer",
        CommandKind.OFFER,
        "Offer solutions; record which one was chosen, approved, fulfilled.",
        (
            click.option(
                "--option",
                "offer__options",
                multiple=True,
                type=among(Solution),
                help="A solution to choose from; may be given more than once.",
            ),
            click.option(
                "--chosen", "offer__chosen", type=among(Solution), help="By the customer."
            ),
            click.option("--approved-by", "offer__approved_by", help="Who approved it."),
            click.option(
                "--fulfilled", "offer__fulfilled_at", type=BACK, help="When; 0s: just now."
            ),
            _note(),
        ),
        either=(
            "offer__options",
            "offer__chosen",
            "offer__approved_by",
            "offer__fulfilled_at",
        ),
    ),
    Verb(
        "reply",
        CommandKind.REPLY,
        "Record that a person has answered the customer.",
        (
            _MESSAGE_ID,
            _CHANNEL,
            click.option("--at", type=BACK, help="When; default: now."),
            _note("What was said."),
        ),
    ),
    Verb(
        "receipt",
        CommandKind.RECEIPT,
        "Record that the customer was told that the message has arrived.",
        (_note(),),
    ),
    Verb(
        "bounce",
        CommandKind.BOUNCE,
        "Record that a message of ours did not arrive: its clocks go on.",
        (click.option("--message-id", help="Of which message; default: the last one."),),
    ),
    Verb(
        "resolve",
        CommandKind.RESOLVE,
        "Resolve the case; its follow-ups are scheduled. It has to be clarified, before or with it.",
        (
            click.option(
                "--outcome",
                "resolution__outcome",
                required=True,
                help="What was done for the customer.",
            ),
            click.option(
                "--reason", "resolution__reason", required=True, help="Why it was done so."
            ),
            click.option(
                "--next-step",
                "resolution__next_step",
                required=True,
                help="What the customer can expect now.",
            ),
            click.option("--root-cause", "resolution__root_cause", help="Why it happened."),
            click.option(
                "--prevention",
                "resolution__prevention",
                help="What was done that it does not happen again.",
            ),
            *_CLARIFICATION,
            _note(),
        ),
    ),
    Verb(
        "communicate",
        CommandKind.COMMUNICATE,
        "Record that the customer was told of the resolution, or what becomes of a suggestion.",
        (_MESSAGE_ID, _CHANNEL, _note("What was said.")),
    ),
    Verb(
        "decide",
        CommandKind.DECIDE,
        "Decide what becomes of a suggestion.",
        (click.argument("verdict", type=among(Verdict)), _note("Why.", required=True)),
    ),
    Verb("reopen", CommandKind.REOPEN, "Take a settled case up again.", (_note("Why."),)),
    Verb(
        "close",
        CommandKind.CLOSE,
        "Close a case by hand: all is settled, nobody answers, or it was no complaint.",
        (_note("Why; needed where the customer was not told."),),
    ),
    Verb("note", CommandKind.NOTE, "Put a remark on record.", (click.argument("note"),)),
    Verb(
        "snooze",
        CommandKind.SNOOZE,
        "Hold the escalation for a while; the clocks run on.",
        (click.option("--until", required=True, type=AHEAD, help="Until when: 4h."), _note()),
    ),
    Verb(
        "merge",
        CommandKind.MERGE,
        "Merge CASE_ID into another case, which goes on for both.",
        (click.argument("into"), _note()),
    ),
    Verb("unmerge", CommandKind.UNMERGE, "Undo a merge: CASE_ID stands alone again.", (_note(),)),
    Verb(
        "follow-up done",
        CommandKind.FOLLOW_UP_DONE,
        "The customer was asked again.",
        (_NUMBER, _note("What the customer said.")),
    ),
    Verb(
        "follow-up waive",
        CommandKind.FOLLOW_UP_WAIVE,
        "It is not needed any more.",
        (_NUMBER, _note("Why.")),
    ),
    Verb(
        "correct-severity",
        CommandKind.CORRECT_SEVERITY,
        "Set the severity by hand; the next model learns it from the text.",
        (
            click.argument("severity", type=among(Severity, Severity.UNDETERMINED)),
            click.option("--kind", "kind_is", type=among(Kind), help="The right kind."),
            click.option(
                "--reason",
                "reasons",
                multiple=True,
                type=among(Reason),
                help="Why; may be given more than once.",
            ),
            click.option(
                "--learn/--no-learn",
                LEARN,
                default=True,
                help="--no-learn: the text is not to blame, and no model is to learn it.",
            ),
            click.option(
                "--feedback",
                FEEDBACK,
                metavar="ID",
                help="Which text to learn from; default: the gravest of the case.",
            ),
            _note(),
        ),
    ),
    Verb(
        "reapply",
        CommandKind.REAPPLY,
        "Let the policy of today count for the running clocks and the next steps.",
        (_note("Why.", required=True),),
    ),
    Verb(
        "hold",
        CommandKind.HOLD,
        "Legal hold: the case can be neither erased nor forgotten.",
        (_note("The reason of the hold.", required=True),),
    ),
    Verb("release", CommandKind.RELEASE, "End a legal hold.", (_note(),)),
)
