"""A fixed token in a header: for senders that we, or our customers, write themselves."""

from __future__ import annotations

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import Credentials, Proof
from shared.signatures import check_token


def check_bearer(hook: Hook, credentials: Credentials) -> Proof:
    """Check ``Authorization: Bearer …`` (RFC 6750) or ``X-Api-Key: …`` against the secrets.

    Raises:
        Unauthentic: it is missing or wrong.
    """
    scheme, _, token = hook.header("authorization").partition(" ")
    if scheme.lower() == "bearer":
        check_token(credentials.secrets, token.strip(), what="bearer token")
        return Proof("bearer")
    check_token(credentials.secrets, hook.header("x-api-key").strip(), what="token")
    return Proof("api_key")
