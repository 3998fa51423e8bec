"""The filters of WasmPlugins and TrafficExtensions, among those that a proxy has anyway.

istiod: pilot/pkg/networking/core/listener_builder.go, `buildHTTPConnectionManager`, and extension/. A module
is sent over the stream of extension configurations, a script is in the listener.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.catalog.extensions import Extension
from localmesh.kinds.extensions import module_path
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ADS
from localmesh.translate.http_filters import GRPC_WEB, JWT, POLICY_FILTERS
from localmesh.translate.keys import ProxyKey

Json = dict[str, Any]

_TYPES = "type.googleapis.com/envoy.extensions"
WASM = f"{_TYPES}.filters.http.wasm.v3.Wasm"
_LUA = f"{_TYPES}.filters.http.lua.v3.Lua"
_RBAC = f"{_TYPES}.filters.http.rbac.v3.RBAC"
_STRING = "type.googleapis.com/google.protobuf.StringValue"
_MANAGER = "envoy.filters.network.http_connection_manager"
_RUNTIME = "envoy.wasm.runtime.v8"
_FAILURES = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN", "FAIL_RELOAD": "FAIL_RELOAD"}
_PHASES = ("AUTHN", "AUTHZ", "STATS", "")
_AFTER_TOKENS = frozenset(filter_.slot for filter_ in POLICY_FILTERS[POLICY_FILTERS.index(JWT) + 1 :])
_REST = frozenset({GRPC_WEB.name, "envoy.filters.http.fault"})


class ExtendedConfig(NamedTuple):
    """The configuration of a proxy, and the extensions that select its workload."""

    key: ProxyKey
    config: ProxyConfig
    extensions: tuple[Extension, ...]
    is_gateway: bool

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy, config: ProxyConfig) -> ExtendedConfig | None:
        """The extensions of a proxy; None without any."""
        extensions = catalog.extensions_for(proxy)
        if not extensions:
            return None
        return cls(ProxyKey.of(proxy), config, extensions, proxy.kind is ProxyKind.GATEWAY)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """The configuration with their filters."""
        return replace(
            self.config,
            listeners=tuple(map(self._listener, self.config.listeners)),
            policies=(*self.config.policies, *map(_module, filter(_is_module, self.extensions))),
        )

    def _listener(self, listener: Json) -> Json:
        is_inbound = not self.is_gateway and listener.get("trafficDirection") == "INBOUND"
        mode = "SERVER" if is_inbound else "CLIENT"
        port = listener_port(listener["name"]) if is_inbound or self.is_gateway else None
        own = [each for each in self.extensions if each.is_for(mode, port)]
        chains = [self._chain(chain, own) for chain in listener["filterChains"]]
        return {**listener, "filterChains": chains}

    def _chain(self, chain: Json, own: list[Extension]) -> Json:
        return {**chain, "filters": [self._network_filter(each, own) for each in chain["filters"]]}

    def _network_filter(self, network_filter: Json, own: list[Extension]) -> Json:
        if network_filter["name"] != _MANAGER:
            return network_filter
        manager = network_filter["typedConfig"]
        filters = _extended(manager["httpFilters"], own)
        return {**network_filter, "typedConfig": {**manager, "httpFilters": filters}}


def listener_port(listener: str) -> int:
    """The port of a container or a gateway that a listener is named after, wherever it really listens.

    >>> listener_port("inbound_8080")
    8080
    """
    return int(listener.rpartition("_")[2])


def _extended(filters: list[Json], own: Iterable[Extension]) -> list[Json]:
    """The filters of a connection manager with those of extensions at the places of their phases."""
    names = [each["name"] for each in filters]
    end = next(index for index, name in enumerate(names) if name in _REST)
    tokens = names.index(JWT.slot) if JWT.slot in names else end
    rules = next((index for index, name in enumerate(names) if name in _AFTER_TOKENS), end)
    places = dict(zip(_PHASES, (tokens, rules, end, end), strict=True))
    result = list(filters)
    for phase in reversed(_PHASES):
        result[places[phase] : places[phase]] = [_filter(each) for each in own if each.phase == phase]
    return result


def _is_module(extension: Extension) -> bool:
    return extension.module is not None


def _filter(extension: Extension) -> Json:
    """The filter in the list of a listener."""
    if extension.module is None:
        script = {"defaultSourceCode": {"inlineString": extension.script}}
        return {"name": extension.filter_name, "typedConfig": {"@type": _LUA, **script}}
    slot = {"configSource": ADS, "typeUrls": [WASM, _RBAC]}
    return {"name": extension.filter_name, "configDiscovery": slot}


def _module(extension: Extension) -> Json:
    """The configuration of a module's filter."""
    module: Mapping[str, Any] = extension.module or {}
    config: Json = {
        "name": f"{extension.namespace}.{extension.name}",
        "vmConfig": {
            "runtime": _RUNTIME,
            "code": {"local": {"filename": module_path(module["url"])}},
            **_variables((module.get("vmConfig") or {}).get("env") or ()),
        },
    }
    if module.get("pluginName"):
        config["rootId"] = module["pluginName"]
    if extension.plugin_config:
        config["configuration"] = {"@type": _STRING, "value": extension.plugin_config}
    # Istio writes its default, too
    config["failurePolicy"] = _FAILURES[module.get("failStrategy", "FAIL_CLOSE")]
    return {"name": extension.filter_name, "typedConfig": {"@type": WASM, "config": config}}


def _variables(entries: Iterable[Mapping[str, Any]]) -> Json:
    """The variables of a module: values that are written, and names of the proxy's own variables.

    Istio adds one with the version of the object, by which its agent sees what to pull again.
    """
    entries = tuple(entries)
    own = [entry["name"] for entry in entries if entry.get("valueFrom") == "HOST"]
    values = {entry["name"]: entry.get("value", "") for entry in entries if entry.get("valueFrom") != "HOST"}
    found = {**({"hostEnvKeys": own} if own else {}), **({"keyValues": values} if values else {})}
    return {"environmentVariables": found} if found else {}
