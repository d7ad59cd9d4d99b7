"""Is a message really from the domain in its From? From verdicts of somebody we trust, else unknown."""

from __future__ import annotations

import authres  # type: ignore[import-untyped]

from services.ingest.channels.email.mail import Address, Headers
from services.ingest.channels.email.parts import Checks, Envelope
from services.ingest.channels.provider import Settings
from shared.events import Authenticity

_MAX_FIELD = 4_096
_SHOWN = 32


def authenticity(
    headers: Headers, author: Address, envelope: Envelope, settings: Settings
) -> Authenticity | None:
    """Return what is known, None if nobody checked.

    ``verified``: DMARC passed, or a DKIM signature of the author's own domain did. Only the checks of
    the receiving provider count, or the topmost ``Authentication-Results`` if the message came
    through our own mail server and it bears that server's name (RFC 8601, section 5).
    """
    checks = envelope.checks
    if checks is None and envelope.trusted:
        checks = _results(headers, settings.option("authserv_id"))
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
    """Return whether they are of one organisation: equal, or one below the other."""
    signer = (signer or "").strip(".").lower()
    if "." not in signer or "." not in domain:
        return False
    return signer == domain or domain.endswith(f".{signer}") or signer.endswith(f".{domain}")


def _results(headers: Headers, own: str) -> Checks | None:
    topmost = headers.first("authentication-results")[:_MAX_FIELD]
    if not own or not topmost:
        return None
    try:
        parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {topmost}")
    except (authres.AuthResError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    if (parsed.authserv_id or "").lower() != own.lower():
        return None
    found: dict[str, str] = {}
    signer = None
    for result in parsed.results:
        method, verdict = str(result.method).lower(), str(result.result).lower()[:_SHOWN]
        if method == "dkim":
            if found.get("dkim") == "pass":
                continue
            signer = next(
                (str(prop.value) for prop in result.properties if prop.name in {"d", "i"}), None
            )
            signer = signer.rpartition("@")[2] if signer else None
        found.setdefault(method, verdict)
        if verdict == "pass":
            found[method] = verdict
    return Checks(
        method="authentication-results",
        spf=found.get("spf"),
        dkim=found.get("dkim"),
        dkim_domain=signer,
        dmarc=found.get("dmarc"),
    )
