"""The result of a translation: one proxy's configuration, in whole or in part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

Json = dict[str, Any]
"""A message of Envoy in its documented JSON form; never changed once it is part of a configuration."""


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """A proxy's configuration as Envoy's documented JSON, with lists in the order that Istio uses.

    `routes` are delivered over RDS; `scopes` say which of them a sidecar uses for which port.
    `further_routes` are not delivered, but shown with the others: the inbound ones, which are inside their
    listeners, and those that Istio keeps separately for each Service port whose protocol is detected.
    `policies` fill the slots that listeners have for them. `secrets` are the credentials that listeners and
    clusters name; the proxy's own certificate is not among them.
    """

    listeners: tuple[Json, ...] = ()
    scopes: tuple[Json, ...] = ()
    routes: tuple[Json, ...] = ()
    further_routes: tuple[Json, ...] = ()
    clusters: tuple[Json, ...] = ()
    endpoints: tuple[Json, ...] = ()
    policies: tuple[Json, ...] = ()
    secrets: tuple[Json, ...] = ()

    def sharing(self, before: ProxyConfig) -> ProxyConfig:
        """The same configuration; lists that equal those of `before` are the same objects as there."""
        lists = {name: _shared(getattr(before, name), getattr(self, name)) for name in _LISTS}
        if all(lists[name] is getattr(before, name) for name in _LISTS):
            return before
        return ProxyConfig(**lists)


_LISTS = tuple(field.name for field in fields(ProxyConfig))


def merged(fragments: Iterable[ProxyConfig]) -> ProxyConfig:
    """All fragments as one configuration: each list has what the fragments have, in their order."""
    fragments = tuple(fragments)
    return ProxyConfig(
        **{name: _joined(getattr(fragment, name) for fragment in fragments) for name in _LISTS}
    )


def _joined(lists: Iterable[tuple[Json, ...]]) -> tuple[Json, ...]:
    filled = [documents for documents in lists if documents]
    return filled[0] if len(filled) == 1 else tuple(chain.from_iterable(filled))


def _shared(before: tuple[Json, ...], now: tuple[Json, ...]) -> tuple[Json, ...]:
    return before if before == now else now
