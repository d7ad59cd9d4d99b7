"""Tells a CRM how each customer's case stands: ``PUT <url>/customers/<key>/cases/<case>``.

What the CRM answers decides: 2xx is done; 429 and 5xx are tried again, when it says so or by the
policy; any other answer will not get better and is parked.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import aiohttp

from deploy.examples.options import options
from shared.client import AsyncCaseEvents, Latest, Park, Retry
from shared.events import CaseEvent

TIMEOUT = aiohttp.ClientTimeout(total=10)


async def update(crm: aiohttp.ClientSession, url: str, event: CaseEvent, event_id: str) -> None:
    """Send the state of the case.

    Raises:
        Retry: the CRM says when it has time.
        Park: it will never take this.
    """
    case = event.case
    if case is None:
        return
    where = f"{url}/customers/{quote(case.customer_key)}/cases/{quote(case.case_id)}"
    body = {
        "state": case.state.value,
        "severity": case.severity.value,
        "assignee": case.assignee,
        "seq": event.case_seq,
    }
    headers = {"Idempotency-Key": event_id}
    async with crm.put(where, json=body, headers=headers, allow_redirects=False) as answer:
        if answer.status == 429 and answer.headers.get("Retry-After", "").isdigit():
            raise Retry(float(answer.headers["Retry-After"]))
        if answer.status == 429 or answer.status >= 500:
            answer.raise_for_status()
        if answer.status >= 300:
            raise Park(f"the CRM answers {answer.status}")


async def main() -> None:
    """Run until a signal."""
    parser = options("Tells a CRM how each customer's case stands.", "crm-updater")
    parser.add_argument("--url", required=True, help="of the CRM")
    told = parser.parse_args()
    stream = AsyncCaseEvents(
        bootstrap=told.bootstrap,
        group=told.group,
        prefix=told.prefix,
        idle_s=told.idle_s,
        dedupe=Latest(),
    )
    async with aiohttp.ClientSession(timeout=TIMEOUT) as crm, stream:
        async for delivery in stream:
            async with delivery:
                await update(crm, told.url, delivery.event, delivery.id)


if __name__ == "__main__":
    asyncio.run(main())
