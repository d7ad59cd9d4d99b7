"""Mail in a mailbox that is read by IMAP (RFC 3501, IDLE: RFC 2177)."""

from __future__ import annotations

from services.ingest.channels.email.parts import OPTIONS
from services.ingest.channels.provider import DAY_S, Capability, Provider
from shared.events import Channel

HISTORY_DAYS = 30
"""So far back a mailbox is read at first, and again should its server have renumbered it."""

PROVIDER = Provider(
    name="imap",
    title="Mailbox (IMAP)",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=HISTORY_DAYS * DAY_S, history_s=3_650 * DAY_S),
    secret="password of the mailbox, or oauth:<access token>",
    options={
        **OPTIONS,
        "host": "required: name of the server",
        "port": "its port; 993, without TLS from the first byte 143",
        "tls": "yes, starttls, or no (this machine only)",
        "user": "required: name to log in with",
        "folder": "folder that is read; INBOX",
        "mark_seen": "whether what was taken is marked as read: yes or no",
        "idle_s": "seconds after which a wait for new mail is renewed; 120, at most 1740",
        "poll_s": "seconds between two looks at a server that has no IDLE; 60",
        "timeout_s": "seconds after which a server that does not answer is gone; 30",
    },
    pull=True,
)
