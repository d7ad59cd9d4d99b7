"""Cases and what is told to their customers, routes, and writers with their settings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from services.notifier.customers.build import writer as made_writer
from services.notifier.customers.writing import Outgoing, Writer
from services.notifier.ports import Result
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import Making, secrets_of
from services.notifier.sinks.outbound import Outbound
from shared.config import Config
from shared.events import Channel, MessageKind
from shared.routes import Route
from tests.unit.notifier.sinks.world import Handler, Taken, receiving, saying

T0 = 1_780_000_000_000
MAIL = Route(
    channel=Channel.EMAIL,
    provider="smtp",
    source="inbox",
    address="ana@customer.example",
    at=T0,
    name="Ana Prowse",
    subject="Lamp arrived broken",
    reply_to="m1@customer.example",
    references=("m1@customer.example",),
)
SMS = Route(Channel.PHONE, "twilio", "sms", "+4915112345678", T0, account="+493012345")
DIRECT = Route(Channel.SOCIAL, "messenger", "fb", "p1", T0, account="page", reply_to="mid.1")
WHATSAPP = Route(Channel.SOCIAL, "whatsapp", "wa", "491511", T0, account="106", reply_to="wamid.1")
REVIEW = Route(Channel.REVIEWS, "google_play", "play", "gp:AOqp_1", T0, account="com.example.app")
RECEIPT = Outgoing("00ff", MessageKind.RECEIPT, "en", "Your message", "We are sorry.", T0 + 5)


def making(
    channel: str,
    outbound: Outbound | None = None,
    environ: Mapping[str, str] | None = None,
    **fields: Any,
) -> Making:
    """Return what a writer is made of; private addresses are allowed."""
    settings = SinkSettings(allow_private=True, **fields)
    return Making(
        f"customer.{channel}",
        settings,
        outbound or Outbound(),
        {},
        Config(),
        secrets_of(environ or {}),
    )


def writer(channel: str, outbound: Outbound, **fields: Any) -> Writer:
    """Return a writer of these settings."""
    return made_writer(making(channel, outbound, **fields))


def changed(outgoing: Outgoing = RECEIPT, **fields: Any) -> Outgoing:
    """Return a message that differs."""
    return outgoing._replace(**fields)


def route(of: Route, **fields: Any) -> Route:
    """Return a route that differs."""
    return msgspec.structs.replace(of, **fields)


def answering(status: int, body: object, **headers: str) -> Handler:
    """Return a handler that always answers the same JSON."""
    return saying(status, json.dumps(body), Content_Type="application/json", **headers)


def told(
    channel: str,
    settings: dict[str, Any],
    to: Route,
    answer: Handler,
    message: Outgoing = RECEIPT,
) -> tuple[Result, list[Taken]]:
    """Return what came of a message, and what the platform was asked."""

    async def main() -> tuple[Result, list[Taken]]:
        outbound = Outbound()
        try:
            async with receiving(answer) as receiver:
                made = writer(channel, outbound, url=receiver.url, **settings)
                return await made.write(to, message), receiver.taken
        finally:
            await outbound.close()

    return asyncio.run(main())
