"""The live table of a running demonstration."""

from __future__ import annotations

from rich.table import Table

from deploy.demo.tally import Tally, percentile
from shared.events import Channel, Severity

STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "yellow",
    Severity.MEDIUM: "cyan",
    Severity.LOW: "green",
    Severity.UNDETERMINED: "magenta",
}


def render(tally: Tally, addresses: dict[str, str]) -> Table:
    """Return the table of what the run has shown so far."""
    title = " · ".join(f"{name} {url}" for name, url in addresses.items())
    table = Table(title="Tocsin", caption=f"{_told(tally)}\n{title}", expand=False)
    table.add_column("channel")
    for heading in ("received", *Severity):
        table.add_column(
            heading,
            justify="right",
            style=STYLES.get(Severity(heading)) if heading in set(Severity) else None,
        )
    for heading in ("cases", "escalations", "follow-ups due", "dead letters", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for channel in Channel:
        row = _row(tally, channel)
        if any(cell not in {"0", ""} for cell in row):
            table.add_row(channel, *row)
    table.add_section()
    table.add_row("all", *_total(tally), style="bold")
    return table


def _row(tally: Tally, channel: Channel) -> list[str]:
    latencies = sorted(tally.latencies.get(channel, []))
    return [
        str(tally.received[channel]),
        *(str(tally.classified[channel, severity]) for severity in Severity),
        str(tally.cases[channel]),
        str(tally.escalations[channel]),
        str(tally.due[channel]),
        str(tally.dead_letters[channel]),
        *_milliseconds(latencies),
    ]


def _total(tally: Tally) -> list[str]:
    latencies = sorted(value for values in tally.latencies.values() for value in values)
    return [
        str(tally.received.total()),
        *(
            str(sum(tally.classified[channel, severity] for channel in Channel))
            for severity in Severity
        ),
        str(tally.cases.total()),
        str(tally.escalations.total()),
        str(tally.due.total()),
        str(tally.dead_letters.total()),
        *_milliseconds(latencies),
    ]


def _told(tally: Tally) -> str:
    """Return who was told, and how long after the decision."""
    seconds = _milliseconds(sorted(tally.telling))
    since = f", p50/p99 from decision to delivery {'/'.join(seconds)} ms" if seconds[0] else ""
    wrong = f", {tally.unverified} NOT VERIFIED" if tally.unverified else ""
    return (
        f"told: {tally.verified} deliveries verified{wrong}, {tally.receipts} receipts sent{since}"
    )


def _milliseconds(ordered: list[float]) -> list[str]:
    if not ordered:
        return ["", ""]
    return [f"{percentile(ordered, share) * 1000:.0f}" for share in (0.5, 0.99)]
