"""What is told, as plain text: for mails and for whatever shows no more than that."""

from __future__ import annotations

from services.notifier.sinks.telling import Telling, utc, words

MAX_TITLE = 200
MAX_EXCERPT = 4_000


def title_of(said: Telling) -> str:
    """Return one line: how grave, and what."""
    return f"{words(said.severity).capitalize()}: {said.title}"[:MAX_TITLE]


def text_of(said: Telling) -> str:
    """Return the message; what the customer said is marked as a quotation."""
    rows = [said.title, ""]
    if said.case_id:
        rows.append(f"Case: {said.case_id}")
    rows += [f"{name}: {value}" for name, value in said.facts]
    rows += [f"{name}: {utc(at)}" for name, at in said.due]
    rows.append(f"At: {utc(said.at)}")
    if said.excerpt:
        rows += ["", *(f"> {line}" for line in said.excerpt[:MAX_EXCERPT].splitlines())]
    return "\n".join(rows)
