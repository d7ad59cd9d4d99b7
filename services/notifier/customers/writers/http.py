"""What the writers that speak HTTP have in common."""

from __future__ import annotations

from multidict import CIMultiDict

from services.notifier.customers.writing import refused
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Answer, Target

CREDENTIALS = frozenset({401, 403})


def headers(**more: str) -> CIMultiDict[str]:
    """Return the headers of a request; underscores of names stand for hyphens."""
    fixed = CIMultiDict({"User-Agent": "tocsin", "Accept": "application/json"})
    fixed.update({name.replace("_", "-"): value for name, value in more.items()})
    return fixed


def below(to: Target, *parts: str) -> Target:
    """Return the address of what lies below ``to``; slashes within a part do not divide it."""
    return to._replace(url=to.url.joinpath(*(part.replace("/", "%2F") for part in parts)))


def later(detail: str, *, fault: bool = False, after_s: float | None = None) -> Result:
    """Return that the same may work later."""
    return Result(Verdict.RETRYABLE, detail, after_s, fault=fault)


def judged(answer: Answer, detail: str = "") -> Result:
    """Return what the status alone says of a message to a customer.

    Wrong credentials keep every message from being sent, until somebody sets them right: that is a
    fault of this way and not of the message. Any other refusal is one of the message.
    """
    result = answer.result
    said = f"HTTP {answer.status}: {detail}" if detail else result.detail
    if answer.status in CREDENTIALS:
        return later(said, fault=True)
    if result.verdict in {Verdict.PERMANENT, Verdict.GONE}:
        return refused(said)
    return result._replace(detail=said if answer.status else result.detail)
