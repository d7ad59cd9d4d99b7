"""Makes a sink of its settings; what is wrong is named with the file, the sink and the option."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeAlias

from services.notifier.ports import Sink
from services.notifier.settings import MAX_SECRETS, SinkSettings
from services.notifier.sinks import pagerduty
from services.notifier.sinks.outbound import Outbound, Target, target
from services.notifier.sinks.pagerduty import PagerDutySink
from services.notifier.sinks.slack import SlackSink
from services.notifier.sinks.ticket import TicketSink
from services.notifier.sinks.webhook import WebhookSink
from shared.config import Config
from shared.errors import Misconfigured
from shared.standard_webhooks import signing_key

FROM_ENVIRONMENT: Final = "env:"
CUSTOMERS: Final = "customer."
"""How the name of a sink that writes to customers begins."""
People: TypeAlias = Mapping[str, Mapping[str, str]]
Secret: TypeAlias = Callable[[str], str]


class Making(NamedTuple):
    """What a sink is made of. ``secret`` returns what a setting stands for (:func:`secrets_of`)."""

    name: str
    settings: SinkSettings
    outbound: Outbound
    people: People
    config: Config
    secret: Secret

    @property
    def where(self) -> str:
        """The sink or writer, for messages."""
        section, channel = "sinks", self.name.removeprefix(CUSTOMERS)
        if channel != self.name:
            section = "writers"
        return f"{self.config.notifier.sinks_file}: [{section}.{channel}]"

    @property
    def timeout_s(self) -> float:
        """How long an attempt may take."""
        return self.settings.timeout_s or self.config.notifier.timeout_s

    def wrong(self, what: str) -> Misconfigured:
        """Return the error that says what is wrong with the sink."""
        return Misconfigured(f"{self.where}: {what}")

    def only(self, known: Collection[str]) -> None:
        """Refuse an option that is not among those that are ``known``.

        Raises:
            Misconfigured: names the first one, and what may have been meant.
        """
        for unknown in sorted(self.settings.options.keys() - set(known)):
            near = get_close_matches(unknown, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise self.wrong(f"options.{unknown} is unknown to {self.settings.kind}{hint}")

    def hidden(self, option: str, value: str) -> str:
        """Return a setting that may stand in the environment.

        Raises:
            Misconfigured: it does not.
        """
        try:
            return self.secret(value)
        except Misconfigured as error:
            raise self.wrong(f"{option}: {error}") from error

    def option(self, name: str, default: str | None = None) -> str:
        """Return an option.

        Raises:
            Misconfigured: it is missing and has no default.
        """
        value = self.settings.options.get(name, default)
        if value is None:
            raise self.wrong(f"options.{name} is missing")
        return self.hidden(f"options.{name}", value)

    def token(self, name: str, default: str | None = None) -> str:
        """Return an option that goes into a header (same errors)."""
        value = self.option(name, default)
        if not value.isprintable():
            raise self.wrong(f"options.{name}: has a line break, or what else no header may have")
        return value

    @property
    def private(self) -> bool:
        """Whether private addresses and plain HTTP are open to it."""
        return self.settings.allow_private or self.config.notifier.allow_private

    def to(self, default: str = "") -> Target:
        """Return where requests go.

        Raises:
            Misconfigured: there is no URL, or none that is allowed.
        """
        url = self.hidden("url", self.settings.url or default)
        if not url:
            raise self.wrong("url is missing")
        return target(url, allow_private=self.private, what=f"{self.where}: url")


def secrets_of(environ: Mapping[str, str]) -> Secret:
    """Return what gives the value of a setting: ``env:NAME`` stands for a variable, else for itself.

    A line break at its end is left away: files that secrets are mounted from tend to have one.
    """

    def secret(written: str) -> str:
        if not written.startswith(FROM_ENVIRONMENT):
            return written
        name = written.removeprefix(FROM_ENVIRONMENT)
        value = environ.get(name, "").rstrip("\r\n")
        if not value.strip():
            raise Misconfigured(f"the environment has no {name}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Misconfigured(f"{name} in the environment is not UTF-8")
        return value

    return secret


def build(
    name: str,
    settings: SinkSettings,
    outbound: Outbound,
    people: People,
    config: Config,
    secret: Secret,
) -> Sink:
    """Return the sink that ``settings`` describe.

    Raises:
        Misconfigured: the kind is unknown, or a setting is missing, wrong or unknown.
    """
    making = Making(name, settings, outbound, people, config, secret)
    if settings.kind not in _KINDS:
        raise making.wrong(f"kind {settings.kind!r} is none of {', '.join(sorted(_KINDS))}")
    kind = _KINDS[settings.kind]
    if kind.options is not None:
        making.only(kind.options)
    return kind.make(making)


def _webhook(making: Making) -> Sink:
    secrets = making.settings.secrets
    if not 1 <= len(secrets) <= MAX_SECRETS:
        raise making.wrong(f"secrets: one or two are needed, there are {len(secrets)}")
    keys = []
    for number, written in enumerate(secrets):
        try:
            keys.append(signing_key(making.hidden(f"secrets[{number}]", written)))
        except ValueError as error:
            raise making.wrong(
                f"secrets[{number}]: {error}; `tocsin webhook secret` makes one"
            ) from error
    return WebhookSink(making.name, making.outbound, making.to(), keys, making.timeout_s)


def _slack(making: Making) -> Sink:
    buttons = making.option("buttons", "yes")
    if buttons not in {"yes", "no"}:
        raise making.wrong("options.buttons: yes or no")
    return SlackSink(
        making.name,
        making.outbound,
        making.to(),
        making.people,
        making.timeout_s,
        buttons=buttons == "yes",
    )


def _pagerduty(making: Making) -> Sink:
    reached = any(known.get(pagerduty.ADDRESS) for known in making.people.values())
    to = making.to(pagerduty.URL)
    return PagerDutySink(
        making.name,
        making.outbound,
        to._replace(url=to.url.joinpath(pagerduty.ENQUEUE[1:])),
        making.option("routing_key", "" if reached else None),
        making.people,
        making.timeout_s,
    )


def _ticket(making: Making) -> Sink:
    return TicketSink(
        making.name,
        making.outbound,
        making.to(),
        making.token("token"),
        making.token("user", ""),
        making.timeout_s,
    )


def _smtp(making: Making) -> Sink:
    from services.notifier.sinks.smtp import SmtpSink

    return SmtpSink.made(making)


def _apprise(making: Making) -> Sink:
    try:
        from services.notifier.sinks.apprise_sink import AppriseSink
    except ModuleNotFoundError as error:
        raise making.wrong("kind apprise needs the extra: pip install 'tocsin[notify]'") from error
    return AppriseSink.made(making)


class _Kind(NamedTuple):
    """How a kind of sink is made, and its options; None: it checks them itself."""

    make: Callable[[Making], Sink]
    options: frozenset[str] | None


_KINDS: Final[Mapping[str, _Kind]] = {
    "webhook": _Kind(_webhook, frozenset()),
    "slack": _Kind(_slack, frozenset({"buttons"})),
    "pagerduty": _Kind(_pagerduty, frozenset({"routing_key"})),
    "ticket": _Kind(_ticket, frozenset({"token", "user"})),
    "smtp": _Kind(_smtp, None),
    "apprise": _Kind(_apprise, None),
}
