"""One ticket per case, kept up to date: upsert by external reference, here into SQLite.

The ticket and the number of the event that it is from are written in one statement. So a delivery
that comes twice changes nothing, and an older one never overwrites a later one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from deploy.examples.options import options
from shared.client import Escalations
from shared.events import CaseEvent

TABLE = """
CREATE TABLE IF NOT EXISTS tickets (
  external_ref TEXT PRIMARY KEY, case_seq INTEGER NOT NULL,
  title TEXT NOT NULL, state TEXT NOT NULL, severity TEXT NOT NULL, assignee TEXT
)
"""
UPSERT = """
INSERT INTO tickets VALUES (:external_ref, :case_seq, :title, :state, :severity, :assignee)
ON CONFLICT (external_ref) DO UPDATE SET
  case_seq = excluded.case_seq, title = excluded.title, state = excluded.state,
  severity = excluded.severity, assignee = excluded.assignee
WHERE excluded.case_seq > tickets.case_seq
"""


def upsert(database: sqlite3.Connection, event: CaseEvent) -> None:
    """Write what the event says of its case; an event without a case says nothing of a ticket."""
    case = event.case
    if case is None:
        return
    newest = case.feedback[-1].excerpt if case.feedback else ""
    row = {
        "external_ref": case.case_id,  # it begins with the tenant
        "case_seq": event.case_seq,
        "title": f"{case.severity.value} {case.kind.value}: {newest[:60]}".strip(": "),
        "state": case.state.value,
        "severity": case.severity.value,
        "assignee": case.assignee,
    }
    with database:
        database.execute(UPSERT, row)


def main() -> None:
    """Run until a signal."""
    parser = options("One ticket per case, in SQLite.", "ticket-creator")
    parser.add_argument("--database", default="tickets.db")
    told = parser.parse_args()
    stream = Escalations(
        bootstrap=told.bootstrap, group=told.group, prefix=told.prefix, idle_s=told.idle_s
    )
    with closing(sqlite3.connect(told.database)) as database, stream:
        database.execute(TABLE)
        for delivery in stream:
            with delivery:
                upsert(database, delivery.event)


if __name__ == "__main__":
    main()
