"""Mail that a mail server hands over by SMTP or LMTP (RFC 5321, RFC 2033).

There is no request to authenticate: the door listens on the loopback, or to the mail servers in
``ingest.smtp_peers`` only. The recipient decides which source a message belongs to.
"""

from __future__ import annotations

from services.ingest.channels.email.parts import OPTIONS
from services.ingest.channels.provider import DAY_S, Capability, Provider
from shared.events import Channel

QUEUE_LIFE_S = 5 * DAY_S
"""How long mail servers try again (RFC 5321, 4.5.4.1: at least 4-5 days)."""

PROVIDER = Provider(
    name="smtp",
    title="Mail server (SMTP, LMTP)",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=QUEUE_LIFE_S),
    options={
        **OPTIONS,
        "recipients": "required: addresses whose mail is taken; @example.com for all of a domain",
    },
)
