"""``tocsin sources``: who may bring feedback, and how each proves itself."""

from __future__ import annotations

import secrets as random_secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.common import as_json, line, loaded

if TYPE_CHECKING:
    from services.ingest.registry import Source

SECRET_BYTES = 32
_given = click.option(
    "--secret-file",
    type=click.File("r"),
    help="Read the secret that the provider shows from this file ('-': standard input).",
)


@click.group()
def command() -> None:
    """Add, list, rotate, test and pause sources; a running intake follows within a second."""


@command.command()
@as_json
def providers(as_json: bool) -> None:
    """List the providers that there are, and what each has to be told."""
    from services.ingest.channels import providers as known

    for name, provider in sorted(known.load().items()):
        if as_json:
            line({
                "name": name,
                "title": provider.title,
                "channel": provider.channel,
                "pull": provider.pull,
                "secret": provider.secret,
                "options": dict(provider.options),
            })  # fmt: skip
            continue
        click.echo(f"{name:18} {provider.channel:8} {provider.title}")
        click.echo(f"{'':18} secret: {provider.secret or 'none'}")
        for option, meaning in provider.options.items():
            click.echo(f"{'':18} {option}: {meaning}")


@command.command()
@click.argument("name")
@click.option("--provider", required=True, help="One of `tocsin sources providers`.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE")
@click.option("--rate", type=float, help="Items per second and process.")
@click.option("--region", help="Country of numbers without a country code, e.g. DE.")
@click.option("--language", "languages", multiple=True, help="Language of the texts, e.g. de.")
@_given
@as_json
@click.pass_context
def add(
    context: click.Context,
    name: str,
    provider: str,
    options: tuple[str, ...],
    rate: float | None,
    region: str | None,
    languages: tuple[str, ...],
    secret_file: click.utils.LazyFile | None,
    as_json: bool,
) -> None:
    """Add source NAME. A secret that is ours to choose is made and shown, once."""
    from services.ingest.registry import Source
    from services.ingest.source_file import editing
    from shared.errors import Misconfigured

    made = None if secret_file is not None else _made(provider)
    secret = made if secret_file is None else _read(secret_file)
    secrets = () if secret is None else (secret,)
    source = Source(
        provider=provider,
        secrets=secrets,
        region=region,
        languages=languages,
        options=dict(_pair(option) for option in options),
        rate=rate or Source.DEFAULT_RATE,
    )
    with editing(_path(context)) as sources:
        if name in sources:
            raise Misconfigured(f"sources.{name}: it is there already; `tocsin sources rotate`?")
        sources[name] = source
    _tell(context, name, made, as_json)


@command.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the sources; secrets are counted, never shown. Exit 1 if the file would not load."""
    from services.ingest.registry import configured, read
    from shared.errors import Misconfigured

    broken = False
    for name, source in read(_path(context)).items():
        try:
            configured(name, source)
            state = "paused" if source.paused else "active"
        except Misconfigured as error:
            state, broken = f"broken: {error}", True
        row = {
            "name": name,
            "provider": source.provider,
            "state": state,
            "secrets": len(source.secrets),
            "rate": source.rate,
        }
        if as_json:
            line(row)
        else:
            click.echo(
                f"{name:24} {source.provider:18} {len(source.secrets)} secret(s)  "
                f"{source.rate:g}/s  {state}"
            )
    if broken:
        sys.exit(1)


@command.command()
@click.argument("name")
@_given
@click.option(
    "--finish", is_flag=True, help="Drop the previous secret: the sender has the new one."
)
@as_json
@click.pass_context
def rotate(
    context: click.Context,
    name: str,
    secret_file: click.utils.LazyFile | None,
    finish: bool,
    as_json: bool,
) -> None:
    """Give NAME a new secret; the one before stays valid until `rotate NAME --finish`."""
    from services.ingest.registry import read
    from services.ingest.source_file import finished, rotated
    from shared.errors import Misconfigured

    if finish:
        _change(context, name, finished)
        _done(name, "one secret is valid", as_json)
        return
    provider = _existing(read(_path(context)), name).provider
    made = None if secret_file is not None else _made(provider)
    secret = made if secret_file is None else _read(secret_file)
    if secret is None:
        raise Misconfigured(f"{provider} has no secret to rotate")
    _change(context, name, lambda source: rotated(source, secret))
    _tell(context, name, made, as_json)


@command.command()
@click.argument("name")
@as_json
@click.pass_context
def pause(context: click.Context, name: str, as_json: bool) -> None:
    """Pause NAME: requests are answered with 503, so that their senders keep them."""
    _set_paused(context, name, True, as_json)


@command.command()
@click.argument("name")
@as_json
@click.pass_context
def resume(context: click.Context, name: str, as_json: bool) -> None:
    """Take requests of NAME again."""
    _set_paused(context, name, False, as_json)


@command.command()
@click.argument("name")
@as_json
@click.pass_context
def remove(context: click.Context, name: str, as_json: bool) -> None:
    """Remove NAME; what it brought stays."""
    from services.ingest.source_file import editing

    with editing(_path(context)) as sources:
        _existing(sources, name)
        del sources[name]
    _done(name, "removed", as_json)


@command.command()
@click.argument("name")
@click.option("--url", help="Where intake listens; default: ingest.host and ingest.port.")
@as_json
@click.pass_context
def test(context: click.Context, name: str, url: str | None, as_json: bool) -> None:
    """Check NAME: its settings, and that a running intake keeps strangers out of it."""
    import asyncio

    from services.ingest.source_check import check

    settings = loaded(context).config
    base = url or f"http://{settings.ingest.host}:{settings.ingest.port}"
    findings = asyncio.run(check(name, Path(settings.ingest.sources_file), base))
    for finding in findings:
        if as_json:
            line(finding)
        else:
            mark = "ok  " if finding.ok else "FAIL"
            click.echo(f"{mark} {finding.what}{'' if finding.ok else ': ' + finding.fix}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _made(provider: str) -> str | None:
    """Return a new secret, None if the provider needs none.

    Raises:
        Misconfigured: the provider chooses it, so it has to be given.
    """
    from services.ingest.channels import providers as known
    from services.ingest.channels.provider import SecretFrom
    from shared.errors import Misconfigured

    wanted = known.load().get(provider)
    if wanted is None or not wanted.needs_secret:
        return None
    if wanted.secret_from is SecretFrom.PLATFORM:
        raise Misconfigured(f"{provider} needs --secret-file: {wanted.secret}")
    token = random_secrets.token_urlsafe(SECRET_BYTES)
    return f"tocsin:{token}" if wanted.secret_from is SecretFrom.BASIC else token


def _path(context: click.Context) -> Path:
    return Path(loaded(context).config.ingest.sources_file)


def _set_paused(context: click.Context, name: str, paused: bool, as_json: bool) -> None:
    import msgspec

    _change(context, name, lambda source: msgspec.structs.replace(source, paused=paused))
    _done(name, "paused" if paused else "active", as_json)


def _change(context: click.Context, name: str, change: Callable[[Source], Source]) -> None:
    from services.ingest.source_file import editing

    with editing(_path(context)) as sources:
        sources[name] = change(_existing(sources, name))


def _existing(sources: dict[str, Source], name: str) -> Source:
    from shared.errors import Misconfigured

    if name not in sources:
        raise Misconfigured(f"there is no source {name!r}; see `tocsin sources list`")
    return sources[name]


def _pair(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not separator:
        raise click.UsageError(f"--option {option}: expected NAME=VALUE")
    return name, value


def _read(file: click.utils.LazyFile) -> str:
    secret = str(file.read()).strip()
    if not secret:
        raise click.UsageError("--secret-file: it is empty")
    return secret


def _tell(context: click.Context, name: str, made: str | None, as_json: bool) -> None:
    url = _address(context, name)
    if as_json:
        told = {"name": name, "url": url, "secret": made}
        line({key: value for key, value in told.items() if value is not None})
        return
    click.echo(f"{name}: {url or 'added'}")
    if made is not None:
        click.echo(f"secret (shown once): {made}")


def _address(context: click.Context, name: str) -> str | None:
    """Return the address that the sender is to call, None for a source that is no web hook."""
    from services.ingest.channels import providers as known
    from services.ingest.registry import read

    base = loaded(context).config.ingest.public_url.rstrip("/") or "https://<your intake>"
    provider = known.load()[read(_path(context))[name].provider]
    if provider.parse is None:
        return None
    return f"{base}/v1/feedback" if provider.name == "generic" else f"{base}/v1/hooks/{name}"


def _done(name: str, state: str, as_json: bool) -> None:
    if as_json:
        line({"name": name, "state": state})
    else:
        click.echo(f"{name}: {state}")
