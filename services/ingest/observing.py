"""``tocsin observe``: an observation on its way to the door of its source, and what the door says."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec

from services.ingest.channels.providers import staff
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.outcome import Result
from services.ingest.registry import configured, read
from shared.errors import Misconfigured, TocsinError, Transient

TIMEOUT_S = 30.0
_LATER = frozenset({408, 429, 500, 502, 503, 504})


class Target(msgspec.Struct, frozen=True):
    """Where an observation goes: the address of the source, its name, and the key that opens it."""

    url: str
    source: str
    key: str


class _Answer(msgspec.Struct, frozen=True):
    results: tuple[Result]


class _Problem(msgspec.Struct, frozen=True):
    reason: str = ""
    detail: str = ""


def checked(given: dict[str, str | bool]) -> staff.Observation:
    """Return the observation with the fields ``given``, held to what intake will hold it to.

    Raises:
        Misconfigured: which field will not do, and why.
    """
    try:
        observation = read_json(msgspec.json.encode(given), staff.Observation)
        staff.item_of(observation)
    except Rejected as rejected:
        hint = "; write it as 2026-05-04T10:00:00+02:00" if "observed_at" in rejected.detail else ""
        raise Misconfigured(f"{rejected.detail}{hint}") from rejected
    return observation


def target(base: str, sources: Path, source: str | None, key: str | None) -> Target:
    """Return where to send what is observed: to ``source`` of the intake at ``base``.

    Without a ``key``, that of the file ``sources``; without a ``source``, the only one in it.

    Raises:
        Misconfigured: no source takes observations, or it is not clear which.
    """
    if key is None:
        source, key = _from_file(sources, source)
    elif source is None:
        raise Misconfigured("--key-file: say by --source whose key it is")
    return Target(f"{base.rstrip('/')}/v1/hooks/{source}", source, key)


def _from_file(path: Path, wanted: str | None) -> tuple[str, str]:
    known = {name: one for name, one in read(path).items() if one.provider == staff.NAME}
    if wanted is None and len(known) > 1:
        raise Misconfigured(f"several sources take observations, choose: --source {min(known)}")
    name = wanted or next(iter(known), staff.NAME)
    if name not in known:
        raise Misconfigured(
            f"{path}: no source {name!r} takes observations; `tocsin sources add {name} --provider "
            f"{staff.NAME}`, or give --source and --key-file where this file is not at hand"
        )
    return name, configured(name, known[name]).credentials.secrets[0].decode()


async def send(to: Target, observation: staff.Observation) -> Result:
    """Return what became of ``observation``.

    Raises:
        Transient: intake is away, or cannot take it now.
        Misconfigured: it knows no such source or key, or it is no intake.
    """
    again = f"then send it again, with --at {observation.observed_at.isoformat()}"
    headers = {"Authorization": f"Bearer {to.key}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(to.url, data=msgspec.json.encode(observation), headers=headers) as answer,
        ):
            status, body = answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Transient(
            f"nothing answers at {to.url} ({type(error).__name__}): start it (`tocsin worker ingest`) "
            f"or say by --url where it is, {again}"
        ) from error
    if status != 200:
        raise _refused(status, body, to, again)
    try:
        return msgspec.json.decode(body, type=_Answer).results[0]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _stranger(to) from error


def _refused(status: int, body: bytes, to: Target, again: str) -> TocsinError:
    """Return the error that says why a request was turned away, and what to do."""
    if status == 401:
        return Misconfigured(
            f"{to.url}: intake knows no source {to.source!r} with this key; it has to read the same "
            f"ingest.sources_file (`tocsin sources test {to.source}`)"
        )
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _Problem()
    if status in _LATER:
        why = problem.detail or f"status {status}"
        return Transient(f"{to.url} cannot take it now: {why}; wait, {again}")
    return Misconfigured(f"{to.url}: {problem.detail}") if problem.detail else _stranger(to)


def _stranger(to: Target) -> Misconfigured:
    return Misconfigured(f"{to.url}: what answers there is no intake of this version; see --url")
