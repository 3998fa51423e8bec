"""Patches of listeners, filter chains, network filters and HTTP filters by EnvoyFilters.

istiod: pilot/pkg/networking/core/envoyfilter/listener_patch.go. Istio's sidecars accept all connections of a
pod at one listener, `virtualInbound`, with filter chains for each port; here each port has a listener of its
own, which stands for its chains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localmesh.catalog.envoy_filters import Patch
from localmesh.envoy_messages.documents import merged, merged_any
from localmesh.kinds.envoy_filter import MESSAGES
from localmesh.translate.http_filters import POLICY_FILTERS

Json = dict[str, Any]

INBOUND, OUTBOUND, GATEWAY = "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY"
_MANAGER = "envoy.filters.network.http_connection_manager"
_VIRTUAL_INBOUND = "virtualInbound"
_SLOTS = {filter_.slot: filter_.name for filter_ in POLICY_FILTERS}
_BEFORE_POLICIES = ("istio.metadata_exchange",)
_BEFORE_FAULTS = ("envoy.filters.http.grpc_stats", "istio.alpn")
_BEFORE_ROUTER = ("istio.stats",)


@dataclass(frozen=True, slots=True)
class ListenerPatches:
    """The patches of one kind of traffic, for the listeners of a proxy.

    `filled` are the slots for policies that a policy fills: only these are filters to Istio.
    """

    patches: tuple[Patch, ...]
    context: str
    filled: frozenset[str]

    def apply(self, listener: Json) -> Json | None:
        """The patched listener; None if it is removed."""
        for patch in self._of("LISTENER"):
            if _listener_matches(patch, listener, self.context):
                if patch.operation == "REMOVE":
                    return None
                if patch.merges:
                    listener = self._merged_listener(listener, patch)
        listener = self._with_listener_filters(listener)
        chains = [
            patched
            for chain in listener["filterChains"]
            if (patched := self._chain(listener, chain)) is not None
        ]
        added = [
            dict(patch.value)
            for patch in self._of("FILTER_CHAIN")
            if patch.operation == "ADD" and patch.value and _listener_matches(patch, listener, self.context)
        ]
        return {**listener, "filterChains": [*chains, *added]}

    def _of(self, kind: str) -> Iterator[Patch]:
        return (patch for patch in self.patches if patch.applies_to == kind and patch.is_for(self.context))

    def _merged_listener(self, listener: Json, patch: Patch) -> Json:
        """Name and address stay those of this machine."""
        change = {key: value for key, value in (patch.value or {}).items() if key not in ("name", "address")}
        return _merged(listener, replace(patch, value=change))

    def _with_listener_filters(self, listener: Json) -> Json:
        filters: list[Json] = list(listener.get("listenerFilters", ()))
        for patch in self._of("LISTENER_FILTER"):
            if _listener_matches(patch, listener, self.context):
                name = (patch.match.get("listener") or {}).get("listenerFilter")
                filters = edited(filters, patch, name, name_of)
        return (
            {**listener, "listenerFilters": filters} if filters or "listenerFilters" in listener else listener
        )

    def _chain(self, listener: Json, chain: Json) -> Json | None:
        def matches(patch: Patch) -> bool:
            return _listener_matches(patch, listener, self.context) and _chain_matches(patch, listener, chain)

        for patch in filter(matches, self._of("FILTER_CHAIN")):
            if patch.operation == "REMOVE":
                return None
            if patch.merges:
                chain = _merged_chain(chain, patch)
        filters: list[Json] = list(chain["filters"])
        network = list(filter(matches, self._of("NETWORK_FILTER")))
        for patch in network:
            if not patch.merges:
                filters = edited(filters, patch, _filter_name(patch), name_of)
        for patch in network:
            if patch.operation == "MERGE":
                filters = [_merged_filter(each, patch, _filter_name(patch)) for each in filters]
        http = list(filter(matches, self._of("HTTP_FILTER")))
        return {**chain, "filters": [self._with_http_filters(each, http) for each in filters]}

    def _with_http_filters(self, network_filter: Json, patches: Sequence[Patch]) -> Json:
        own = [patch for patch in patches if _filter_name(patch) in (None, network_filter["name"])]
        if network_filter["name"] != _MANAGER or not own:
            return network_filter
        filters = self._with_anchors(network_filter["typedConfig"]["httpFilters"])
        for patch in own:
            if not patch.merges:
                filters = edited(filters, patch, _sub_filter_name(patch), self._http_name)
        filters = [each for each in filters if "anchor" not in each]
        for patch in own:
            if patch.operation == "MERGE":
                filters = [
                    each
                    if "configDiscovery" in each
                    else _merged_filter(each, patch, _sub_filter_name(patch))
                    for each in filters
                ]
        manager = {**network_filter["typedConfig"], "httpFilters": filters}
        return {**network_filter, "typedConfig": manager}

    def _http_name(self, entry: Json) -> str:
        """Istio's name of an HTTP filter; "" for a slot that no policy fills."""
        if entry["name"] not in _SLOTS or "configDiscovery" not in entry:
            return name_of(entry)
        return _SLOTS[entry["name"]] if entry["name"] in self.filled else ""

    def _with_anchors(self, filters: Sequence[Json]) -> list[Json]:
        """The filters, with marks for those that only Istio has, so that others find their places."""
        out = [_anchor(name) for name in _BEFORE_POLICIES]
        for entry in filters:
            if entry["name"] == "envoy.filters.http.fault":
                out += [_anchor(name) for name in _BEFORE_FAULTS]
            elif entry["name"] == "envoy.filters.http.router":
                out += [_anchor(name) for name in _BEFORE_ROUTER]
            out.append(entry)
        return out


def patched_slots(
    policies: Iterable[Json], patches: Iterable[Patch], contexts: Sequence[str]
) -> tuple[Json, ...]:
    """What fills the slots for policies, with the patches that are merged into these filters."""
    merging = [
        patch
        for patch in patches
        if patch.applies_to == "HTTP_FILTER"
        and patch.operation == "MERGE"
        and any(map(patch.is_for, contexts))
    ]
    return tuple(_patched_slot(slot, merging) for slot in policies)


def _patched_slot(slot: Json, patches: Sequence[Patch]) -> Json:
    for patch in patches:
        if set(slot["typedConfig"]) != {"@type"} and _sub_filter_name(patch) in (
            None,
            _SLOTS.get(slot["name"]),
        ):
            change = (patch.value or {}).get("typedConfig")
            slot = {**slot, "typedConfig": merged_any(slot["typedConfig"], change)} if change else slot
    return slot


def edited(
    entries: list[Json], patch: Patch, name: str | None, name_of_entry: Callable[[Json], str]
) -> list[Json]:
    """The filters after an operation that does not merge; `name` is the one to match, None for any."""
    operation = patch.operation
    if operation == "REMOVE":
        return [entry for entry in entries if name_of_entry(entry) != name]
    found = next((index for index, entry in enumerate(entries) if name_of_entry(entry) == name), None)
    spans = {"ADD": (len(entries),) * 2, "INSERT_FIRST": (0, 0)}
    if name is None:
        spans |= {"INSERT_BEFORE": (0, 0), "INSERT_AFTER": (len(entries),) * 2}
    elif found is not None:
        before, after = (found, found), (found + 1, found + 1)
        spans |= {"INSERT_BEFORE": before, "INSERT_AFTER": after, "REPLACE": (found, found + 1)}
    if operation not in spans:
        return entries
    start, end = spans[operation]
    return [*entries[:start], dict(patch.value or {}), *entries[end:]]


def name_of(entry: Json) -> str:
    """The name of a filter."""
    return str(entry.get("name", ""))


def _anchor(name: str) -> Json:
    return {"name": name, "anchor": True}


def _filter_name(patch: Patch) -> str | None:
    chain = (patch.match.get("listener") or {}).get("filterChain") or {}
    name: str | None = (chain.get("filter") or {}).get("name")
    return _MANAGER if name == "envoy.http_connection_manager" else name


def _sub_filter_name(patch: Patch) -> str | None:
    chain = (patch.match.get("listener") or {}).get("filterChain") or {}
    name: str | None = ((chain.get("filter") or {}).get("subFilter") or {}).get("name")
    return name


def _listener_matches(patch: Patch, listener: Json, context: str) -> bool:
    match = patch.match.get("listener") or {}
    name, port = match.get("name"), match.get("portNumber")
    if context == INBOUND:
        right_port = patch.applies_to == "LISTENER" or not port or _port_of(listener) == port
        return (not name or name == _VIRTUAL_INBOUND) and right_port
    return (not name or name == listener["name"]) and (not port or port == _port_of(listener))


def _port_of(listener: Json) -> int:
    """The port that a listener stands for, which its name has: `inbound_8080`, `0.0.0.0_8443`; else 0."""
    number = str(listener["name"]).rpartition("_")[2]
    return int(number) if number.isdigit() else 0


def _chain_matches(patch: Patch, listener: Json, chain: Json) -> bool:
    match = (patch.match.get("listener") or {}).get("filterChain") or {}
    own = chain.get("filterChainMatch") or {}
    protocols = [name for name in (match.get("applicationProtocols") or "").split(",") if name]
    return (
        (not match.get("name") or match["name"] == chain.get("name"))
        and (not match.get("sni") or match["sni"] in own.get("serverNames", ()))
        and (not match.get("transportProtocol") or match["transportProtocol"] == own.get("transportProtocol"))
        and all(name in own.get("applicationProtocols", ()) for name in protocols)
        and (not match.get("destinationPort") or match["destinationPort"] == _port_of(listener))
    )


def _merged(document: Json, patch: Patch) -> Json:
    lists = patch.operation == "MERGE_AND_REPLACE_LIST"
    return merged(MESSAGES[patch.applies_to], document, patch.value or {}, replace_lists=lists)


def _merged_chain(chain: Json, patch: Patch) -> Json:
    """A transport socket of the same name is merged by its configuration, and then nothing else is."""
    own, change = chain.get("transportSocket"), (patch.value or {}).get("transportSocket")
    if own and change and own.get("name") == change.get("name"):
        config = merged_any(own["typedConfig"], change.get("typedConfig") or {"@type": ""})
        return {**chain, "transportSocket": {**own, "typedConfig": config}}
    return _merged(chain, patch)


def _merged_filter(entry: Json, patch: Patch, name: str | None) -> Json:
    if "typedConfig" not in entry or (name is not None and name_of(entry) != name):
        return entry
    value: Mapping[str, Any] = patch.value or {}
    config = entry["typedConfig"]
    if value.get("typedConfig"):
        config = merged_any(config, value["typedConfig"])
    return {**entry, "name": value.get("name") or entry["name"], "typedConfig": config}
