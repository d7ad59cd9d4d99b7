"""Real messages as they arrive, one after the other, and what became of every one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from services.ingest.registry import Source
from shared.events import Operation
from tests.data.doors.audit import Found
from tests.data.doors.house import BURST, RATE, House, has_smtp
from tests.data.doors.jetstream import streaming
from tests.data.doors.ledger import Ledger
from tests.data.doors.mail import mailgun_mime
from tests.data.doors.mailing import Mail, send_all
from tests.data.doors.posting import Parcel, post_all
from tests.data.doors.sealing import FORM, JSON, secret_of
from tests.data.doors.writing import Written
from tests.data.social_payloads import EVERYTHING, bluesky_outcome, frames, updates

DEADLINE_S = 3.0
LISTENING_S = 20.0
POLL_S = 0.02
BOUNCES = frozenset({"bounce_hard", "bounce_soft"})
MAIL_GROUPS = {
    "malformed": ("email/malformed", "somebody@mail.example.net"),
    "rfc": ("email/rfc", "somebody@mail.example.net"),
    "bounces": ("bounces", ""),
    "bounces-sender": ("bounces", "somebody@mail.example.net"),
}
"""Per mailbox the folder, and the envelope sender: a bounce has none, and must do without that hint."""

HOOK_GROUPS = {"whatsapp": "meta", "postmark": "postmark"}


class Outcome(msgspec.Struct):
    """One group. ``outcomes`` counts parts: events, duplicates, ``ignored:…``, ``rejected:…``.

    ``silent`` names messages after which the door counted nothing at all.
    """

    group: str
    door: str
    sent: int
    refused: dict[str, int]
    outcomes: dict[str, int]
    silent: list[str]
    events: int = 0
    bounces: int = 0


@dataclass
class _Group:
    name: str
    door: str
    ledger: Ledger
    silent: list[str] = field(default_factory=list)


def sources() -> Mapping[str, Source]:
    """Return the sources that the payloads come in by."""
    mail = "smtp" if has_smtp() else "mailgun"
    found = {
        _source(name): Source(
            provider=mail,
            secrets=() if has_smtp() else (secret_of("mailgun"),),
            rate=RATE,
            burst=BURST,
            options={"recipients": _mailbox(name)} if has_smtp() else {},
        )
        for name in MAIL_GROUPS
    }
    for name, provider in HOOK_GROUPS.items():
        secrets = (secret_of(provider),)
        found[_source(name)] = Source(provider=provider, secrets=secrets, rate=RATE, burst=BURST)
    return found


def _source(name: str) -> str:
    return f"payload.{name}"


def _mailbox(name: str) -> str:
    return f"{name}@payload.example.com"


def send(house: House, folder: Path) -> list[Outcome]:
    """Send all that is in ``folder`` and return what the doors counted."""
    found = []
    for name, (place, sender) in MAIL_GROUPS.items():
        files = sorted((folder / place).glob("*.eml")) + sorted((folder / place).glob("*.txt"))
        messages = [(path.name, path.read_bytes()) for path in files]
        found.append(_mails(house, name, sender, messages))
    found.append(_hooks(house, "whatsapp", updates(folder)))
    files = sorted((folder / "postmark").glob("*.json"))
    found.append(_hooks(house, "postmark", [(path.name, path.read_bytes()) for path in files]))
    found.append(_bluesky(house, folder))
    return found


def judged(outcomes: Iterable[Outcome], found: Found) -> list[Outcome]:
    """Return the outcomes with what is in the log."""
    judged = []
    for outcome in outcomes:
        origins = found.origins.get(_source(outcome.group), Counter())
        judged.append(
            msgspec.structs.replace(
                outcome,
                events=origins.total(),
                bounces=sum(origins[origin] for origin in BOUNCES),
            )
        )
    return judged


def _mails(house: House, name: str, sender: str, messages: Iterable[tuple[str, bytes]]) -> Outcome:
    group = _Group(name, "SMTP" if has_smtp() else "Mailgun MIME", Ledger(_source(name)))
    before = house.counts()
    for what, raw in messages:
        mark = house.counts()
        if has_smtp():
            mail = Mail(group.ledger, sender, _mailbox(name), raw, {what: 0})
            send_all(house.smtp_port, [mail], connections=1)
        else:
            _post(house, group.ledger, "mailgun", Written(mailgun_mime(raw), FORM, {what: 0}))
        _watch(house, group, what, mark)
    return _outcome(house, group, before)


def _hooks(house: House, name: str, bodies: Iterable[tuple[str, bytes]]) -> Outcome:
    provider = HOOK_GROUPS[name]
    group = _Group(name, f"{provider} hook", Ledger(_source(name)))
    before = house.counts()
    for what, body in bodies:
        mark = house.counts()
        _post(house, group.ledger, provider, Written(body, JSON, {what: 0}))
        _watch(house, group, what, mark)
    return _outcome(house, group, before)


def _post(house: House, ledger: Ledger, provider: str, written: Written) -> None:
    asyncio.run(post_all(house.url, [Parcel(ledger, provider, lambda: written)]))


def _watch(house: House, group: _Group, what: str, mark: Counter[str]) -> None:
    """Wait until the door has counted something for the message; what it has not is silent."""
    if what not in group.ledger.acknowledged:
        return
    deadline = time.monotonic() + DEADLINE_S
    while house.counts() == mark:
        if time.monotonic() > deadline:
            group.silent.append(what)
            return
        time.sleep(POLL_S)


def _outcome(house: House, group: _Group, before: Counter[str]) -> Outcome:
    counts = house.counts()
    while (latest := house.counts()) != counts:
        counts = latest
        time.sleep(POLL_S)
    ledger = group.ledger
    refused = dict(ledger.refused)
    return Outcome(
        group=group.name,
        door=group.door,
        sent=len(ledger.acknowledged) + sum(refused.values()),
        refused=refused,
        outcomes=dict(sorted((counts - before).items())),
        silent=group.silent,
    )


def _bluesky(house: House, folder: Path) -> Outcome:
    """Tell the frames to the collector; those that its reader takes must be counted as events."""
    named = list(frames(folder))
    wanted = [name for name, frame in named if _is_taken(frame)]
    group = _Group("bluesky", "stream", Ledger(_source("bluesky")))
    before = house.counts()
    with streaming([frame for _, frame in named]) as stream:
        options = {**EVERYTHING.options, "base_url": stream.url}
        house.add(_source("bluesky"), Source(provider="bluesky", options=options))
        if not stream.told.wait(LISTENING_S):
            group.silent += wanted
        deadline = time.monotonic() + DEADLINE_S
        while (house.counts() - before)["received"] < len(wanted):
            if time.monotonic() > deadline:
                group.silent += wanted
                break
            time.sleep(POLL_S)
        outcome = _outcome(house, group, before)
    outcome.sent = len(named)
    outcome.outcomes["skipped"] = len(named) - sum(outcome.outcomes.values())
    return outcome


def _is_taken(frame: bytes) -> bool:
    delivery, _ = bluesky_outcome(frame)
    return any(item.op is not Operation.DELETE for item in delivery.items)
