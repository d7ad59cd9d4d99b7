"""``tocsin sources test``: what can be checked of a source from outside."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec

from services.ingest.registry import Configured, configured, read
from shared.errors import Misconfigured

TIMEOUT_S = 5.0


class Finding(msgspec.Struct, frozen=True):
    """One thing that was checked; ``fix`` says what to do when it is not ``ok``."""

    what: str
    ok: bool
    fix: str = ""


async def check(name: str, path: Path, base: str) -> list[Finding]:
    """Return what was found about source ``name``, whose intake listens at ``base``."""
    try:
        sources = read(path)
        if name not in sources:
            return [Finding("it is configured", False, f"`tocsin sources add {name} --provider …`")]
        source = configured(name, sources[name])
    except Misconfigured as error:
        return [Finding("its settings are valid", False, str(error))]
    findings = [
        Finding("its settings are valid", True),
        Finding("it is not paused", not source.source.paused, f"`tocsin sources resume {name}`"),
    ]
    if source.provider.parse is not None:
        findings.append(await _guarded(source, base))
    return findings


async def _guarded(source: Configured, base: str) -> Finding:
    what = "intake answers, and keeps unproven requests out"
    url = f"{base.rstrip('/')}/v1/hooks/{source.name}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=b"{}") as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Finding(what, False, f"nothing answers at {url} ({type(error).__name__})")
    if status in {401, 503}:
        return Finding(what, True)
    return Finding(what, False, f"an unsigned request to {url} was answered with {status}")
