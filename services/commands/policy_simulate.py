"""``tocsin policy simulate``: a policy on a hypothetical case, or on what was recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands import policy_options as options
from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.escalation.domain.policy import Policy
    from services.escalation.policies.simulation import People, Sample
    from shared.config import Config
    from shared.events import Case, FeedbackClassified


@click.command()
@click.argument("file", type=options.FILE, required=False)
@options.sample
@click.option("--case", "case_id", metavar="ID", help="Take a case of the view for the example.")
@click.option("--at", metavar="TIME,…", help="When it is opened: one run for each; default: now.")
@click.option("--for", "lasting", type=options.LASTING, default="3d", help="How long each run is.")
@click.option("--since", metavar="TIME", help="Run on recorded feedback instead: 7d, or a time.")
@click.option("--against", type=options.FILE, help="Compare with this policy (with --since).")
@click.option("--ack-after", type=options.LASTING, help="Acknowledge each escalation after this.")
@click.option("--resolve-after", type=options.LASTING, help="Resolve each case after this.")
@as_json
@click.pass_context
def simulate(
    context: click.Context,
    /,
    file: Path | None,
    case_id: str | None,
    at: str | None,
    lasting: int,
    since: str | None,
    against: Path | None,
    ack_after: int | None,
    resolve_after: int | None,
    as_json: bool,
    **given: options.Given,
) -> None:
    """Run a policy through the real decision, in memory; nothing is written.

    Without --since: one hypothetical case, event by event. With --since: the feedback that was
    classified since then, in numbers, beside those of another policy when one is named.
    """
    from services.escalation.policies.simulation import People

    settings = loaded(context).config
    people = People(ack_after, resolve_after)
    policy = options.policy_of(settings, file)
    if since is None:
        if against is not None:
            raise click.UsageError("--against needs --since")
        sample = options.sample_of(settings, given)
        if case_id is not None:
            sample = _like(_case(settings, case_id))
        now = options.now(settings)
        for moment in [options.moment(one, now) for one in at.split(",")] if at else [now]:
            _timeline(policy, sample, moment, moment + lasting, people, as_json)
    else:
        if at is not None or case_id is not None:
            raise click.UsageError("either --since, or --at and --case")
        other = None if against is None else options.policy_of(settings, against)
        _compare(settings, policy, other, since, people, as_json)


def _timeline(
    policy: Policy, sample: Sample, at: int, until: int, people: People, as_json: bool
) -> None:
    """Print what happens to a case that is opened ``at``, until ``until``."""
    from services.commands.policy_tell import Moment, tell_timeline
    from services.escalation.policies.simulation import Simulation

    simulation = Simulation(policy, people)
    decision = simulation.feed(sample.feedback(1, at), at)
    simulation.run_until(until)
    moments = [Moment.of(event, at) for event in simulation.events]
    reason = decision.outcome.no_case_reason if decision.outcome else None
    if as_json:
        line({"version": policy.version, "at": at, "no_case": reason, "events": moments})
    else:
        tell_timeline(policy.version, at, moments, reason)


def _compare(
    settings: Config,
    policy: Policy,
    other: Policy | None,
    since: str,
    people: People,
    as_json: bool,
) -> None:
    """Print what one or two policies do with the recorded feedback."""
    from services.commands.policy_tell import Row, tell_rows
    from services.escalation.policies.simulation import tally

    now = options.now(settings)
    items = list(_recorded(settings, options.moment(since, now)))
    mine = tally(policy, items, now, people)
    theirs = None if other is None else tally(other, items, now, people)
    keys = sorted({*mine, *(theirs or ())})
    rows = [
        Row(what=what, of=of, count=mine[what, of], against=theirs[what, of] if theirs else None)
        for what, of in keys
    ]
    versions = [policy.version] + ([] if other is None else [other.version])
    if as_json:
        line({"versions": versions, "rows": rows})
    else:
        tell_rows(versions, rows)


def _recorded(settings: Config, since: int) -> Iterator[FeedbackClassified]:
    from shared import codec, topics
    from shared.errors import Poison
    from shared.events import FeedbackClassified
    from shared.streams.spans import span_of

    name = topics.Names(settings.kafka.topic_prefix).of(topics.FEEDBACK_CLASSIFIED)
    decoder = codec.Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
    for batch in span_of(settings.kafka.client(), name, since).read():
        for message in batch:
            try:
                yield decoder.decode(message.value())
            except Poison:
                continue  # it is among the dead letters of escalation


def _case(settings: Config, case_id: str) -> Case:
    """Return a case of the view; ends the process with 1 when there is none."""
    from services.commands.cases_send import Desk, NoSuchCase

    try:
        return Desk(settings).case(case_id)
    except NoSuchCase:
        click.echo(f"tocsin: no case {case_id}", err=True)
        sys.exit(1)


def _like(case: Case) -> Sample:
    from services.escalation.policies.simulation import Sample

    return Sample(
        severity=case.severity,
        channel=case.channel,
        source=case.source,
        kind=case.kind,
        reasons=case.reasons,
        themes=case.themes,
        language=case.language,
        tenant=case.tenant,
    )
