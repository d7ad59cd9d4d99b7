"""``python -m tests.contract.providers NAME``: what the module makes of each golden case."""

from __future__ import annotations

import sys

import msgspec

from services.ingest.channels import providers
from services.ingest.channels.rejection import Rejected
from tests.contract.providers import golden


def main(name: str) -> None:
    """Print every case of provider ``name``."""
    cases, provider = golden.load(name), providers.load()[name]
    for case in cases.cases:
        hook, settings = cases.hook(case), cases.settings()
        try:
            assert provider.parse is not None
            shown: object = golden.rendered(provider.parse(hook, settings))
        except Rejected as rejected:
            shown = {"rejected": str(rejected.reason), "detail": rejected.detail}
        print(case.name, msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


if __name__ == "__main__":
    main(sys.argv[1])
