"""``tocsin erase``: all that is kept of a customer goes, as far as it can, with a receipt."""

from __future__ import annotations

import getpass
import sys
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
import msgspec

from services.commands.common import as_json, line, loaded
from services.commands.erasing import Remains, Searcher, Traces, links_of, mark_of, remove
from shared import topics
from shared.errors import Misconfigured, Transient
from shared.events import Case, CustomerErased, Struct

if TYPE_CHECKING:
    from services.commands.cases_send import Desk
    from shared.config import Config

WAIT_S = 10.0
POLL_S = 0.05


class Removed(Struct, frozen=True, omit_defaults=False):
    """How much was removed, or would be: cases, snapshots in ``case.state``, records, Redis keys."""

    cases: int
    tombstones: int
    dead_letters: int
    corrections: int
    identity_links: int
    reply_routes: int
    contacts: int
    threads: int


class Receipt(Struct, frozen=True, omit_defaults=False):
    """What became of an erasure. ``mark`` is what no replay gets past; None: nothing was done.

    ``held`` are the cases under a legal hold, ``taken_over`` those of other customers into which one of
    this customer was merged: what came with it is taken out there, unless that one is held, and stays in
    their events for as long as ``case.events`` keeps them.
    """

    record_key: str
    mark: CustomerErased | None
    removed: Removed
    remains: tuple[Remains, ...]
    held: dict[str, str]
    taken_over: tuple[str, ...]


@click.command()
@click.argument("record_key", required=False)
@click.option("--email", help="Of the customer with this address.")
@click.option("--case", "case_id", metavar="ID", help="Of the customer of this case.")
@click.option("--reason", required=True, help="Why, for the receipt: the request of the customer.")
@click.option("--actor", default=getpass.getuser, help="Who does it; default: the user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go and what would stay.")
@as_json
@click.pass_context
def command(
    context: click.Context,
    record_key: str | None,
    email: str | None,
    case_id: str | None,
    reason: str,
    actor: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase a customer: RECORD_KEY is tenant:customer, as case ids begin.

    Cases go from case.state and from the view, and what was received until now opens none again. Dead
    letters, corrections, links of identifiers, ways to answer and what intake remembers go as well. What
    cannot be removed is named, with the time when it is gone. Run again, it does what was left. What the
    customer had under an identifier that was linked later goes first, with a receipt of its own. Exit
    code 1: a case is under a legal hold, and nothing was erased.
    """
    from services.commands.cases_send import Desk
    from services.escalation.view.redis_view import connect

    settings = loaded(context).config
    owner = _owner(settings, record_key, email, case_id)
    desk = Desk(settings)
    client = connect(settings.redis.url, settings.redis.timeout_s)
    before = _before(settings, desk, owner)
    searchers = {key: Searcher(settings, client, key) for key in before}
    if dry_run or not yes:
        for key, cases in before.items():
            planned = _receipt(key, None, cases, searchers[key].look(), len(cases))
            _tell(planned, as_json and dry_run, to_err=not dry_run)
        for cases in before.values():
            _end_if_held(_held(cases))
        if dry_run:
            return
        click.confirm("Erase it for good?", abort=True, err=True)
    for key, cases in before.items():
        if not _carried_out(settings, desk, key, actor, reason):
            _end_if_held(_held(desk.customer(key).cases[key]))
            raise Transient("refused for a legal hold that has ended meanwhile; run it again")
        found = searchers[key].look()
        mark, tombstones = mark_of(settings, key)
        remove(settings, client, found)
        _tell(_receipt(key, mark, cases, found, tombstones), as_json)


def _before(settings: Config, desk: Desk, owner: str) -> dict[str, Mapping[str, Case]]:
    """Return the cases of the customer by record key, in the order in which they are to be erased.

    Cases from before two identifiers were linked stand under a key of their own. What is held comes
    first, so that nothing goes if it is refused; ``owner`` last, for the links go with it.
    """
    from shared.ids import record_key

    tenant, _, customer = owner.partition(":")
    others = [record_key(tenant, alias) for alias in links_of(settings).aliases_of(customer)]
    found = {key: desk.customer(key).cases[key] for key in (*others, owner)}
    keys = sorted(found, key=lambda key: not _held(found[key]))
    return {key: found[key] for key in keys if found[key] or key == owner}


def _owner(settings: Config, record_key: str | None, email: str | None, case_id: str | None) -> str:
    """Return the record key of the customer that is meant."""
    from shared.ids import record_key_of_case

    if sum(one is not None for one in (record_key, email, case_id)) != 1:
        raise click.UsageError("one of RECORD_KEY, --email and --case is needed")
    if email is not None:
        return _owner_of(settings, email)
    if case_id is not None:
        try:
            return record_key_of_case(case_id)
        except ValueError as error:
            raise Misconfigured(str(error)) from error
    tenant, separator, customer = (record_key or "").partition(":")
    if not (tenant and separator and customer) or ":" in customer:
        raise Misconfigured(f"{record_key!r} is no record key: tenant:customer")
    return record_key or ""


def _owner_of(settings: Config, email: str) -> str:
    """Return the record key of an address: of its pseudonym, or of who that is linked to."""
    from services.ingest.channels.identity import identifiers
    from services.ingest.channels.item import Item
    from shared import ids
    from shared.events import Channel

    item = Item(native_id="-", channel=Channel.EMAIL, text="", author=email)
    primary = identifiers(item, "-").primary
    if not primary.startswith("email:"):
        raise Misconfigured(f"--email: {email!r} is no address")
    own = ids.customer_key(settings.privacy.pseudonym_key.encode(), primary)
    return ids.record_key(settings.tenant, links_of(settings).resolve(own, ()).customer_key)


def _carried_out(settings: Config, desk: Desk, owner: str, actor: str, reason: str) -> bool:
    """Have the worker erase the customer; return False when it was refused."""
    from shared.clock import SystemClock
    from shared.commands import CommandSender
    from shared.events import EraseCustomer
    from shared.topics import Names

    clock = SystemClock(settings.clock.speedup, settings.clock.epoch_ms)
    before = desk.customer(owner).erased.get(owner, -1)
    wanted = EraseCustomer(
        command_id=uuid.uuid4().hex,
        tenant=owner.partition(":")[0],
        record_key=owner,
        actor=actor,
        at=max(clock.now_ms(), before + 1),  # this clock may be behind that of the worker, or ahead
        reason=reason,
    )
    kafka = settings.kafka
    sender = CommandSender(kafka.client(), Names(kafka.topic_prefix), kafka.partitions)
    sender.send(wanted)
    sender.flush()
    deadline = time.monotonic() + WAIT_S
    while True:
        found = desk.customer(owner)
        if found.erased.get(owner, -1) > before:
            return True
        if any(wanted.command_id in case.commands for case in found.cases[owner].values()):
            return False
        if time.monotonic() > deadline:
            raise Transient(
                f"the request is in Kafka, but no escalation worker has taken it within {WAIT_S:g} s. "
                "Nothing is lost: the cases go when one runs; run this again then, for the rest"
            )
        time.sleep(POLL_S)


def _receipt(
    owner: str,
    mark: CustomerErased | None,
    cases: Mapping[str, Case],
    found: Traces,
    tombstones: int,
) -> Receipt:
    return Receipt(
        record_key=owner,
        mark=mark,
        removed=Removed(
            cases=len(cases if mark is None else mark.cases),
            tombstones=tombstones,
            dead_letters=found.count(topics.DEAD_LETTERS),
            corrections=found.count(topics.FEEDBACK_CORRECTIONS),
            identity_links=found.count(topics.IDENTITY_LINKS),
            reply_routes=found.count(topics.REPLY_ROUTES),
            contacts=len(found.said),
            threads=len(found.whereabouts),
        ),
        remains=tuple(found.remains),
        held=_held(cases),
        taken_over=tuple(
            case.merged_into
            for case in cases.values()
            if case.merged_into and not case.merged_into.startswith(f"{owner}:")
        ),
    )


def _held(cases: Mapping[str, Case]) -> dict[str, str]:
    return {
        case_id: case.legal_hold for case_id, case in cases.items() if case.legal_hold is not None
    }


def _end_if_held(held: Mapping[str, str]) -> None:
    for case_id, reason in held.items():
        click.echo(f"tocsin: refused (legal_hold): {case_id}: {reason}", err=True)
    if held:
        sys.exit(1)


def _tell(receipt: Receipt, as_json: bool, *, to_err: bool = False) -> None:
    from services.commands.cases_text import when
    from services.record.timeline import printable

    if as_json:
        line(receipt)
        return
    mark, removed = receipt.mark, msgspec.structs.asdict(receipt.removed)
    rows = [
        f"{receipt.record_key} would be erased:"
        if mark is None
        else f"{receipt.record_key} was erased {when(mark.erased_at)} by {mark.actor}: {mark.reason}"
    ]
    rows += [f"  {count:6} {name.replace('_', ' ')}" for name, count in removed.items()]
    rows += ["  removed for every reader now, from the disks when Kafka has compacted them"]
    for one in receipt.remains:
        until = "for good" if one.until is None else f"until {when(one.until)}"
        rows.append(f"  {one.topic} keeps {one.count} records ({one.what}) {until}")
    rows += [
        f"  {case_id} took a case over: what came with it goes there as well, unless that one is held"
        for case_id in receipt.taken_over
    ]
    for row in rows:
        click.echo(printable(row), err=to_err)
