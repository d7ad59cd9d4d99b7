"""What the subcommands of ``tocsin policy`` share: their options, and what those stand for."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from shared.errors import Misconfigured
from shared.events import Channel, Kind, Reason, Severity

if TYPE_CHECKING:
    from services.escalation.domain.policy import Policy
    from services.escalation.policies.simulation import Sample
    from shared.config import Config

F = TypeVar("F", bound=Callable[..., object])
Given = str | tuple[str, ...] | None
"""A value of the options of a sample."""

FILE: Final = click.Path(dir_okay=False, path_type=Path)
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class _Lasting(click.ParamType):
    """A span of wall-clock time, in ms."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read ``90s``, ``40m``, ``8h`` or ``3d`` (of 24 hours)."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no span: write a number and s, m, h or d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


LASTING: Final = _Lasting()


def _among(words: type[enum.StrEnum]) -> click.Choice[str]:
    return click.Choice([word.value for word in words])


def sample(command: F) -> F:
    """Add the options that say what a hypothetical feedback is like."""
    for option in reversed((
        click.option("--severity", type=_among(Severity), default="medium"),
        click.option("--channel", type=_among(Channel), default="email"),
        click.option("--source", default="simulation", help="Name of the source."),
        click.option("--kind", type=_among(Kind), default="complaint"),
        click.option("--reason", multiple=True, type=_among(Reason)),
        click.option("--theme", multiple=True, help="Id of a theme."),
        click.option("--language", help="BCP 47."),
    )):  # fmt: skip
        command = option(command)
    return command


def sample_of(settings: Config, given: Mapping[str, Given]) -> Sample:
    """Return the feedback that the options of :func:`sample` describe."""
    from services.escalation.policies.simulation import Sample

    language, reasons, themes = given["language"], given["reason"] or (), given["theme"] or ()
    return Sample(
        severity=Severity(str(given["severity"])),
        channel=Channel(str(given["channel"])),
        source=str(given["source"]),
        kind=Kind(str(given["kind"])),
        reasons=tuple(map(Reason, reasons)),
        themes=tuple(themes),
        language=None if language is None else str(language),
        tenant=settings.tenant,
    )


def policy_of(settings: Config, file: Path | None) -> Policy:
    """Return the policy of a file, else that of the settings, else the packaged one.

    Raises:
        Misconfigured: it has errors; the message names all of them.
    """
    from services.escalation.domain.defaults import DEFAULT_POLICY
    from services.escalation.policies.loading import load

    if file is None and settings.escalation.policy_file:
        file = Path(settings.escalation.policy_file)
    found = DEFAULT_POLICY if file is None else load(file, now(settings)).policy
    if found is None:  # load has raised
        raise Misconfigured(f"{file}: no policy")
    return found


def in_force(settings: Config) -> Policy | None:
    """Return the policy that came into force last, None when there never was one."""
    from services.escalation.policies.store import PolicyStore
    from shared.topics import Names

    names = Names(settings.kafka.topic_prefix)
    kept = PolicyStore(settings.kafka.client(), names).load()
    return next(reversed(kept.values()), None)


def now(settings: Config) -> int:
    """Return the policy time of the installation, in ms."""
    from shared.clock import SystemClock

    return SystemClock(settings.clock.speedup, settings.clock.epoch_ms).now_ms()


def moment(text: str, now_ms: int) -> int:
    """Return the instant that an option names, in ms."""
    from services.record.times import moment as named

    try:
        return named(text, now_ms)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
