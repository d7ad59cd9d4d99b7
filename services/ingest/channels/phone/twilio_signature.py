"""``X-Twilio-Signature`` as Twilio's own validators check it (docs/usage/webhooks/webhooks-security).

HMAC-SHA1 under the account's auth token (SHA-256 under a shared key, where another header says so)
over the public URL and, of forms, all fields sorted by name, each name followed by its value. A JSON
body is signed through its digest in the URL's ``bodySHA256``. Whether the URL that was signed names the
default port is not defined, so both are tried.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from services.ingest.channels.forms import URLENCODED, urlencoded
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Proof,
)
from services.ingest.channels.rejection import Rejected
from shared.signatures import Unauthentic, check_hmac, require

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
"""``key=<id of the shared key>,algorithm=<name>``; without it the signature is HMAC-SHA1."""

_ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"((?:[^@]*@)?(?:\[[^\]]*\]|[^:@]*))(?::\d*)?")


def check_signature(hook: Hook, credentials: Credentials) -> Proof:
    """Check the signature of a request.

    Raises:
        Unauthentic: it is missing or wrong, or does not cover the body.
    """
    algorithm = _algorithm(hook.header(SETTINGS_HEADER))
    fields = _signed_fields(hook)
    refused: Unauthentic | None = None
    for url in spellings(hook.url):
        try:
            check_hmac(
                credentials.secrets,
                (url + fields).encode("utf-8", "surrogatepass"),
                hook.header(HEADER),
                algorithm=algorithm,
                encoding=base64.b64encode,
            )
        except Unauthentic as error:
            refused = error
        else:
            return Proof(f"twilio_hmac_{algorithm}")
    raise refused or Unauthentic("the URL is malformed")


def joined(fields: Iterable[tuple[str, str]]) -> str:
    """Return form fields as they are signed: sorted, of equal ones each value once."""
    return "".join(name + value for name, value in sorted(set(fields)))


def spellings(url: str) -> list[str]:
    """Return ``url`` as it is, with its port and without it."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return [url]
    match = _HOST.fullmatch(parts.netloc)
    if match is None:
        return [url]
    bare = match[1]
    hosts = [bare] if port is None else [bare, f"{bare}:{port}"]
    variants = [urlunsplit(parts._replace(netloc=host)) for host in hosts]
    return list(dict.fromkeys([url, *variants]))


def _algorithm(header: str) -> str:
    for part in header.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            found = _ALGORITHMS.get(value.strip().upper())
            if found is None:
                raise Unauthentic("an unknown algorithm of the signature")
            return found
    return "sha1"


def _signed_fields(hook: Hook) -> str:
    """Return what is signed besides the URL; whatever else is in the body is checked here."""
    if hook.content_type == URLENCODED:
        try:
            return joined(urlencoded(hook.body))
        except Rejected as error:
            raise Unauthentic(error.detail) from error
    if hook.body:
        digest = hashlib.sha256(hook.body).hexdigest().encode()
        stated = hook.query.get("bodySHA256", "").encode("utf-8", "surrogateescape")
        require(hmac.compare_digest(digest, stated), "bodySHA256 does not match the body")
    return ""
