"""What the pure part of intake costs: bytes → item, cleaned, redacted, its language known."""

from __future__ import annotations

import json
import time

from services.ingest.channels import generic
from services.ingest.channels.normalise import normalise
from services.ingest.channels.provider import Settings
from tests.bench.contestants.load_intake import TEXTS

TEXT_BYTES = 1_000
ITEMS = 2_000


def measure(seconds: float) -> float:
    """Return the CPU µs for an item with a text of 1 kB, no language stated; the best round counts."""
    raws = [_item(number) for number in range(ITEMS)]
    settings = Settings(name="bench")
    best = float("inf")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.process_time()
        for raw in raws:
            normalise(generic.parse(raw), settings)
        best = min(best, (time.process_time() - began) / ITEMS * 1e6)
    return best


def _item(number: int) -> bytes:
    sentence = TEXTS[number % len(TEXTS)] % number
    words = f"{number}: " + " ".join([sentence] * (TEXT_BYTES // len(sentence) + 1))
    text = words.encode()[:TEXT_BYTES].decode("utf-8", "ignore")
    item = {"id": number, "channel": "email", "author": f"a{number}@example.org", "text": text}
    return json.dumps(item).encode()
