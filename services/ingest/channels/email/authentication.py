"""Is a message really from the domain in its From? From verdicts of somebody we trust, else unknown."""

from __future__ import annotations

import re

import authres  # type: ignore[import-untyped]

from services.ingest.channels.email.mail import Address, Headers
from services.ingest.channels.email.parts import Checks, Envelope
from services.ingest.channels.provider import Settings
from shared.events import Authenticity

_MAX_FIELD = 4_096
_SHOWN = 32
_COMMENT = re.compile(r"\([^()]*\)")
_PLAIN_RESULT = re.compile(
    r"\s*([A-Za-z0-9-]{1,40})=([A-Za-z]{1,32})((?:\s+[A-Za-z0-9-]{1,40}\.[A-Za-z0-9-]{1,40}=[^\s;]{1,400})*)\s*"
)
_SIGNER = re.compile(r"\sheader\.d=(\S+)")
_Result = tuple[str, str, str | None]


def authenticity(
    headers: Headers, author: Address, envelope: Envelope, settings: Settings
) -> Authenticity | None:
    """Return what is known, None if nobody checked.

    ``verified``: DMARC passed, or a DKIM signature of exactly the author's domain did: which domains
    are of one organisation only DMARC knows (``github.io`` is of none). Only the checks of
    the receiving provider count, or the topmost ``Authentication-Results`` if the message came
    through our own mail server and it bears that server's name (RFC 8601, section 5).
    """
    checks = envelope.checks
    if checks is None and envelope.trusted:
        checks = _results(headers, author.domain, settings.option("authserv_id"))
    if checks is None:
        return None
    aligned = checks.dkim == "pass" and _aligned(checks.dkim_domain, author.domain)
    return Authenticity(
        method=checks.method,
        verified=author.alone and bool(author.address) and (checks.dmarc == "pass" or aligned),
        dkim=checks.dkim,
        spf=checks.spf,
        dmarc=checks.dmarc,
    )


def _aligned(signer: str | None, domain: str) -> bool:
    signer = (signer or "").strip(".").lower()
    return "." in signer and signer == domain.strip(".")


def _results(headers: Headers, domain: str, own: str) -> Checks | None:
    topmost = headers.first("authentication-results")[:_MAX_FIELD]
    if not own or not topmost.lower().startswith(own.lower()):
        return None
    read = _plain(topmost, own)
    results = _parsed(topmost, own) if read is None else read
    if results is None:
        return None
    found: dict[str, str] = {}
    signers: list[str] = []
    for method, verdict, signer in results:
        if found.get(method) != "pass":  # of several signatures one that is good will do
            found[method] = verdict[:_SHOWN]
        if method == "dkim" and verdict == "pass" and signer:
            signers.append(signer)
    return Checks(
        method="authentication-results",
        spf=found.get("spf"),
        dkim=found.get("dkim"),
        dkim_domain=next((name for name in signers if _aligned(name, domain)), None),
        dmarc=found.get("dmarc"),
    )


def _plain(value: str, own: str) -> list[_Result] | None:
    """Read the usual form, ten times as fast as the library; None: let that have a look."""
    if '"' in value or "\\" in value:
        return None
    first, *rest = _COMMENT.sub(" ", value).split(";")
    if first.split() not in ([own], [own, "1"]):
        return None
    found = []
    for part in rest:
        match = _PLAIN_RESULT.fullmatch(part)
        if match is None:
            return None
        signer = _SIGNER.search(match[3])
        found.append((match[1].lower(), match[2].lower(), signer[1] if signer else None))
    return found


def _parsed(value: str, own: str) -> list[_Result] | None:
    try:
        parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except (authres.AuthResError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    if (parsed.authserv_id or "").lower() != own.lower():
        return None
    return [
        (
            str(result.method).lower(),
            str(result.result).lower(),
            next((str(prop.value) for prop in result.properties if prop.name == "d"), None),
        )
        for result in parsed.results
    ]
