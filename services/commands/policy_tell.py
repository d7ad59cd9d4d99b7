"""What ``tocsin policy`` has found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from services.escalation.domain.calendar import Span
from services.escalation.policies.explain import Explained
from services.escalation.policies.forms import instant_text
from shared.events import CaseEvent, NoCaseReason, Struct


class Moment(Struct, frozen=True):
    """An event of a simulated case, ``after`` its opening."""

    at: str
    after: str
    event: str
    severity: str
    state: str
    cause: str
    targets: tuple[str, ...] = ()
    detail: str = ""

    @classmethod
    def of(cls, event: CaseEvent, begin: int) -> Moment:
        """Return what is to be told of ``event`` in a run that began at ``begin`` (ms)."""
        case, promised = event.case, event.follow_up
        return cls(
            at=instant_text(event.recorded_at),
            after=str(Span(ms=(event.recorded_at - begin) // 1000 * 1000)),
            event=event.kind.value,
            severity=case.severity.value if case else "",
            state=case.state.value if case else "",
            cause=event.cause.value,
            targets=event.targets,
            detail=event.detail or (promised.kind if promised else ""),
        )


class Row(Struct, frozen=True):
    """How often something happened under one policy, and under another."""

    what: str
    of: str
    count: int
    against: int | None = None


def tell(found: Explained) -> None:
    """Print an explanation."""
    console = Console(highlight=False)
    console.print(f"policy {found.version}: {found.severity}, opened {found.at}", markup=False)
    if found.no_case is not None:
        console.print(f"opens no case: {found.no_case}", markup=False)
        return
    for pack in found.packs:
        fits = "fits" if pack.fits else "does not fit"
        console.print(f"pack {pack.name} {fits}: {pack.why}", markup=False)
    if found.pack is None:
        console.print("no pack fits: the plan of the severity holds")
    console.print(f"team: {found.team or 'none'}", markup=False)
    if found.muted is not None:
        console.print(f"muted by {found.muted}", markup=False)
    clocks = (
        (one.clock, one.within, one.due_local, one.due, one.calendar or "wall clock")
        for one in found.clocks
    )
    _table(console, "Deadlines", ("clock", "within", "due", "UTC", "calendar"), clocks)
    steps = (
        (
            one.at,
            f"{one.round}.{one.step}",
            one.what,
            ", ".join(one.targets),
            ", ".join(one.notified) or "nobody",
            one.detail,
        )
        for one in found.ladder
    )
    head = ("at", "step", "event", "targets", "notified", "why")
    _table(console, "While nobody acknowledges", head, steps)
    console.print(f"once exhausted, again every {found.repeat_every}")
    promises = ((one.kind, one.after, one.via) for one in found.follow_ups)
    _table(console, "After the resolution", ("follow-up", "after", "via"), promises)


def tell_timeline(
    version: str, at: int, moments: Sequence[Moment], reason: NoCaseReason | None
) -> None:
    """Print what happens to a simulated case."""
    console = Console(highlight=False)
    console.print(f"policy {version}: from {instant_text(at)}", markup=False)
    if reason is not None:
        console.print(f"opens no case: {reason}", markup=False)
        return
    rows = (
        (one.at, one.after, one.event, one.state, one.cause, ", ".join(one.targets), one.detail)
        for one in moments
    )
    head = ("at", "after", "event", "state", "cause", "targets", "detail")
    _table(console, "", head, rows)


def tell_rows(versions: Sequence[str], rows: Sequence[Row]) -> None:
    """Print the numbers of one or two policies, and their difference."""
    console = Console(highlight=False)
    head = ["what", "of", *versions] + (["difference"] if len(versions) > 1 else [])
    cells = []
    for row in rows:
        numbers = [str(row.count)]
        if row.against is not None:
            numbers += [str(row.against), f"{row.count - row.against:+d}"]
        cells.append((row.what, row.of, *numbers))
    _table(console, "", head, cells)


def _table(
    console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    console.print(table)
