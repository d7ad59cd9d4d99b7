"""What is asked of Maven, through `jgo` (pure Python: neither Maven nor a JDK is needed).

jgo's ordinary configuration applies: repositories from its settings file, CA certificates and
proxies from the environment that `requests` reads. jgo writes a download straight to its final
name, so it is only ever given a scratch directory here.
"""

from __future__ import annotations

from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

_HTTP_TIMEOUT_S = 30


class MavenError(RuntimeError):
    """Maven's repositories did not give what was asked for; trying again may help."""


def resolve_runtime(root: str, scratch: Path) -> tuple[str, ...]:
    """Resolve `root` (group:artifact:version) to all coordinates needed at run time, sorted.

    POMs land in `scratch`. Raises MavenError.
    """
    context = _context(scratch)
    try:
        inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
    except (OSError, RuntimeError) as error:
        raise MavenError(f"cannot resolve {root}: {error}") from error
    found = {f"{d.groupId}:{d.artifactId}:{d.version}" for d in [*inputs, *transitive]}
    return tuple(sorted(found))


def download(coordinate: str, scratch: Path) -> Path:
    """Download the jar of `coordinate` into `scratch`, unverified; raises MavenError."""
    artifact = _context(scratch).create_dependency(coordinate).artifact
    try:
        return artifact.resolve()
    except (OSError, RuntimeError) as error:
        raise MavenError(f"cannot download {coordinate}: {error}") from error


def _context(scratch: Path) -> MavenContext:
    repositories = GlobalSettings.load().repositories
    return MavenContext(
        repo_cache=scratch, remote_repos=repositories or None, timeout=_HTTP_TIMEOUT_S
    )
