"""``reference/providers.md``: every provider that there is, and what its platform can and cannot do."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.docgen.markdown import GENERATED, table
from services.ingest.channels import fields, providers
from services.ingest.channels.email import parts
from services.ingest.channels.provider import Capability, Provider, SecretFrom
from services.ingest.registry import GRACE_S

_INTRODUCTION = """\
What `tocsin sources add NAME --provider PROVIDER` knows. A *pushed* provider calls
`/v1/hooks/NAME`; a *pulled* one is asked by a collector; *mail* comes in by SMTP or LMTP. How all this
is set up is in [Channels](../channels.md); how a provider is added, in the
[tutorial](../tutorials/new-provider.md).

Ids of a source are remembered for as long as its platform may send the same again, and {grace} days
more. *History*: so far back the platform can be read at all; what lies longer than that before the
last reading is lost, and without a history so is what the platform stopped sending again.
"""
_SHARED = {
    "Options of mail": parts.OPTIONS,
    "Options of data in any flat shape": fields.OPTIONS,
}
"""Options that several providers have, by the heading under which they are listed once."""

_CHOOSES = {
    SecretFrom.PLATFORM: "the platform shows it: `--secret-file`",
    SecretFrom.TOKEN: "`tocsin sources` makes it",
    SecretFrom.BASIC: "`tocsin sources` makes it",
}
_DAY_S = 86_400
_UNITS = ((365 * _DAY_S, "year"), (_DAY_S, "day"), (3_600, "hour"), (60, "minute"))


def page() -> str:
    """Return the reference of the providers."""
    found = sorted(providers.load().items(), key=lambda item: (item[1].channel, item[0]))
    return "\n".join([
        GENERATED,
        "# Providers\n",
        _INTRODUCTION.format(grace=f"{GRACE_S / _DAY_S:g}"),
        "## Overview\n",
        table(
            ("provider", "platform", "channel", "comes", "sent again for", "history"),
            [_row(provider) for _, provider in found],
        ),
        "## Answers\n",
        "What an answer to an item may be, where the platform takes one.\n",
        table(
            ("provider", "characters", "answers to an item", "editable", "possible for", "public"),
            [_answer(provider) for _, provider in found if _can_answer(provider.capability)],
        ),
        "## Secrets and options\n",
        *(_settings(provider) for _, provider in found),
        *(f"### {title}\n\n{_options(options)}" for title, options in _SHARED.items()),
    ])  # fmt: skip


def _row(provider: Provider) -> tuple[str, ...]:
    able = provider.capability
    history = "–" if able.history_s is None else _span(able.history_s)
    return (
        f"[`{provider.name}`](#{provider.name})",
        provider.title,
        provider.channel,
        way(provider),
        _span(able.redelivery_s),
        history,
    )


def way(provider: Provider) -> str:
    """Return how items of ``provider`` come."""
    if provider.pull:
        return "pulled"
    return "mail" if provider.parse is None else "pushed"


def _can_answer(able: Capability) -> bool:
    return able.reply_max_chars is not None or able.replies_per_item is not None


def _answer(provider: Provider) -> tuple[str, ...]:
    able = provider.capability
    return (
        f"`{provider.name}`",
        "–" if able.reply_max_chars is None else f"{able.reply_max_chars:,}",
        "any number" if able.replies_per_item is None else str(able.replies_per_item),
        "yes" if able.reply_edit_allowed else "no",
        "ever" if able.reply_window_s is None else _span(able.reply_window_s),
        "yes" if able.public else "no",
    )


def _settings(provider: Provider) -> str:
    own = dict(provider.options)
    lines = [f"### {provider.name}", "", f"{provider.title}. Secret: {_secret(provider)}."]
    for title, options in _SHARED.items():
        if options.keys() <= own.keys():
            lines += ["", f"Takes the [{title.lower()}](#{title.lower().replace(' ', '-')})."]
            own = {name: text for name, text in own.items() if name not in options}
    return "\n".join(lines) + "\n" + (f"\n{_options(own)}" if own else "")


def _secret(provider: Provider) -> str:
    if not provider.needs_secret:
        return provider.secret or "none"
    return f"{provider.secret} ({_CHOOSES[provider.secret_from]})"


def _options(options: Mapping[str, str]) -> str:
    return table(("option", "meaning"), [(f"`{name}`", text) for name, text in options.items()])


def _span(seconds: int) -> str:
    for unit, name in _UNITS:
        if seconds % unit == 0:
            count = seconds // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} s"
