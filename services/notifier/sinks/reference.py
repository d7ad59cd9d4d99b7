"""What a page and a case are called outside; an answer finds its way back by it."""

from __future__ import annotations

from services.notifier.domain.plan import id_of
from shared import ids
from shared.events import Notification

MAX_CHARACTERS = 255
"""So long a ``dedup_key`` of PagerDuty and an ``external_id`` of a ticket may be."""


def page_key(case_id: str, epoch: int) -> str:
    """Return what a page is called: ``tenant:customer:suffix:epoch``, since a case id has its tenant.

    One that would be too long (its tenant has 200 characters) is a digest, which leads back nowhere.
    """
    return _short(f"{case_id}:{epoch}")


def parse_page_key(key: str) -> tuple[str, int] | None:
    """Return case id and epoch of a page key, None if it is none."""
    case_id, _, epoch = key.rpartition(":")
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 9):
        return None
    try:
        ids.record_key_of_case(case_id)
    except ValueError:
        return None
    return case_id, int(epoch)


def subject_key(notification: Notification) -> str:
    """Return what the matter of a notification is called: its case id, else ``tenant:insight:id``."""
    insight = f"{notification.tenant}:insight:{id_of(notification.cause)}"
    return _short(notification.case_id or insight)


def _short(key: str) -> str:
    return key if len(key) <= MAX_CHARACTERS else ids.digest("", "outside", key)
