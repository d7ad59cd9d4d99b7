"""Saying no to a command: raised anywhere below ``decide``, and the case stays as it was."""

from __future__ import annotations

from shared.events import Refusal


class Refuse(Exception):
    """A command cannot be carried out.

    Args:
        refusal: why, as a word.
        detail: what exactly, for whoever sent it; names the field where one is wrong.
    """

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal = refusal
        self.detail = detail
