"""The words for listeners: where a proxy listens, and which connections it accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import MutualTls
from localmesh.diff.chain_words import TCP_PROXY, chain_phrases
from localmesh.diff.edits import ABSENT, Edit, Path
from localmesh.diff.phrases import Label, Phrase, Words
from localmesh.diff.routes import configuration_phrases
from localmesh.translate.tls import filter_chains

Json = Mapping[str, Any]

_CHAINS = "filterChains"
_HTTP = "envoy.filters.network.http_connection_manager"
_MANAGER: Path = (_CHAINS, "[]", "filters", "[]", "typedConfig")


def _address(address: Json) -> str:
    socket = address.get("socketAddress", {})
    return f"{socket.get('address')}:{socket.get('portValue')}"


_WORDS = Words(
    labels={
        ("address",): Label("listens at", _address),
    },
    implied={("listenerFilters",): ((_CHAINS,),)},
)


def listener_phrases(before: Any, after: Any, resource: str) -> list[Phrase]:
    """The changes of a listener; ABSENT is possible."""
    if ABSENT in (before, after):
        listener, verb = (after, "listens at") if before is ABSENT else (before, "no longer listens at")
        text = f"{verb} {_address(listener.get('address', {}))}{_mode_text(listener)}"
        return [Phrase(text, (Edit((), before, after),))]
    phrases: list[Phrase] = []
    old_protocol, new_protocol = _protocol(before), _protocol(after)
    if old_protocol and new_protocol and old_protocol != new_protocol:
        chains = Edit((_CHAINS,), before[_CHAINS], after[_CHAINS])
        phrases.append(Phrase(f"protocol: {old_protocol} → {new_protocol}", (chains,)))
        before, after = _without_chains(before), _without_chains(after)
    old_mode, new_mode = _mode(before), _mode(after)
    if old_mode and new_mode and old_mode is not new_mode:
        chains = Edit((_CHAINS,), before[_CHAINS], after[_CHAINS])
        phrases.append(Phrase(f"mTLS: {old_mode.value} → {new_mode.value}", (chains,)))
        # the same filters in every chain: one of them says all
        before, after = _with_one_chain(before), _with_one_chain(after)
    if _is_of_gateway(before) and _is_of_gateway(after):
        phrases += chain_phrases(before[_CHAINS], after[_CHAINS], resource)
        before, after = _without_chains(before), _without_chains(after)
    phrases = _WORDS.phrases(_without_routes(before), _without_routes(after), resource, phrases)
    old_routes, new_routes = _routes(before), _routes(after)
    if old_routes != new_routes:
        changed = configuration_phrases(old_routes, new_routes, resource)
        phrases += [phrase.below(*_MANAGER, "routeConfig") for _, phrase in changed]
    return phrases


def _is_of_gateway(listener: Json) -> bool:
    """Whether its filter chains are those of a gateway's servers: the chains of a sidecar have names."""
    return bool(listener.get(_CHAINS)) and not any("name" in chain for chain in listener[_CHAINS])


def _without_chains(listener: Json) -> Json:
    return {key: value for key, value in listener.items() if key != _CHAINS}


def _protocol(listener: Json) -> str:
    """What the filter chains of a port of a pod read: HTTP, or TCP without a look at requests; else ""."""
    chains = listener.get(_CHAINS, ())
    if not chains or "name" not in chains[0]:
        return ""
    filters = [{each.get("name") for each in chain.get("filters", ())} for chain in chains]
    if all(_HTTP in names for names in filters):
        return "HTTP"
    return "TCP" if all(TCP_PROXY in names and _HTTP not in names for names in filters) else ""


def _mode(listener: Json) -> MutualTls | None:
    """The mode of the PeerAuthentication that made the filter chains; None if they are something else."""
    chains = listener.get(_CHAINS, ())
    if not chains or "name" not in chains[0]:
        return None
    name, filters = chains[0]["name"], chains[0].get("filters")
    modes = (mode for mode in MutualTls if filter_chains(name, filters, mode) == chains)
    return next(modes, None)


def _mode_text(listener: Json) -> str:
    mode = _mode(listener)
    return f" (mTLS {mode.value})" if mode else ""


def _with_one_chain(listener: Json) -> Json:
    first = listener[_CHAINS][0]
    return {**listener, _CHAINS: [{"name": first["name"], "filters": first.get("filters")}]}


def _routes(listener: Json) -> Any:
    """The route configuration inside a listener; ABSENT unless all of its filter chains have the same."""
    managers = [
        network_filter.get("typedConfig", {})
        for chain in listener.get(_CHAINS, ())
        for network_filter in chain.get("filters", ())
    ]
    configurations = [manager.get("routeConfig", ABSENT) for manager in managers]
    is_same = bool(configurations) and all(routes == configurations[0] for routes in configurations)
    return configurations[0] if is_same else ABSENT


def _without_routes(listener: Json) -> Json:
    if _routes(listener) is ABSENT:
        return listener
    return {**listener, _CHAINS: [_chain_without_routes(chain) for chain in listener[_CHAINS]]}


def _chain_without_routes(chain: Json) -> Json:
    filters = [
        {
            **network_filter,
            "typedConfig": {
                key: value for key, value in network_filter["typedConfig"].items() if key != "routeConfig"
            },
        }
        for network_filter in chain["filters"]
    ]
    return {**chain, "filters": filters}
