"""The providers: each module here defines one ``PROVIDER``, and is found by being here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from services.ingest.channels.provider import Provider


@cache
def load() -> Mapping[str, Provider]:
    """Return all providers by name.

    Raises:
        TypeError: a module here has no ``PROVIDER``, or two have the same name.
    """
    found: dict[str, Provider] = {}
    for module in pkgutil.iter_modules(__path__):
        provider = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PROVIDER", None)
        if not isinstance(provider, Provider):
            raise TypeError(f"{__name__}.{module.name} defines no PROVIDER")
        if provider.name in found:
            raise TypeError(f"two providers are called {provider.name!r}")
        found[provider.name] = provider
    return found
