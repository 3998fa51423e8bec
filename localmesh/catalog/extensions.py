"""WasmPlugins and TrafficExtensions: filters that they add to the proxies which they select.

istiod: pilot/pkg/model/extensions.go; a WasmPlugin is a TrafficExtension of another name
(pilot/pkg/config/kube/extensions/translate.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from localmesh.catalog.objects import Objects
from localmesh.catalog.security import PolicyScope, policy_scope
from localmesh.kinds.extensions import TRAFFIC_EXTENSION, WASM_PLUGIN
from localmesh.manifests import Resource

_PREFIX = "extensions.istio.io/trafficextension/"
_OF_PLUGIN = "~istio-translated-wasmplugin"
_LEAST = -(2**31)
_SIDES = frozenset({"CLIENT", "SERVER"})


class Match(NamedTuple):
    """Sides of a proxy, and ports there; all ports if none is named."""

    modes: frozenset[str]
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Extension:
    """A filter: a module of WebAssembly, or a script.

    `phase` is where it is in the chain, `matches` the sides and ports of the proxy that have it, all without
    any; `priority` is its place among those of the same phase, the highest first.
    """

    resource: Resource = field(compare=False, repr=False)
    namespace: str
    name: str
    scope: PolicyScope
    phase: str
    priority: int
    matches: tuple[Match, ...]
    module: Mapping[str, Any] | None = field(hash=False)
    script: str = ""

    @property
    def filter_name(self) -> str:
        """The name of the filter in the configuration."""
        return f"{_PREFIX}{self.namespace}.{self.name}"

    @property
    def plugin_config(self) -> str:
        """What the module gets as its configuration, JSON without spaces; "" for nothing."""
        config = (self.module or {}).get("pluginConfig")
        return json.dumps(config, separators=(",", ":"), ensure_ascii=False) if config else ""

    def is_for(self, mode: str, port: int | None) -> bool:
        """Whether a side of a proxy has it: CLIENT, which sends requests, or SERVER.

        The port is that of the container, or at which a gateway listens; None for the only one of a sidecar
        that sends requests to all ports.
        """
        return not self.matches or any(
            mode in match.modes and (not match.ports or port in match.ports) for match in self.matches
        )


def extensions(objects: Objects, root: str) -> tuple[Extension, ...]:
    """All extensions, in the order in which those of one phase apply to a proxy; `root`: root namespace."""
    found = [_extension(resource, root) for resource in objects.of(TRAFFIC_EXTENSION, WASM_PLUGIN)]
    # the namespace of the proxy comes before the root namespace
    return tuple(sorted(found, key=_place))


def _place(extension: Extension) -> tuple[int, bool, int]:
    return -extension.priority, extension.scope.is_of_mesh, extension.resource.order


def extensions_for(
    known: Iterable[Extension], namespace: str, labels: Mapping[str, str]
) -> tuple[Extension, ...]:
    """The extensions that select a workload."""
    return tuple(each for each in known if each.scope.includes(namespace, labels))


def _extension(resource: Resource, root: str) -> Extension:
    spec = resource.spec
    is_plugin = resource.is_a(WASM_PLUGIN)
    phase = spec.get("phase", "")
    priority = spec.get("priority")
    return Extension(
        resource=resource,
        namespace=resource.namespace,
        name=resource.name + (_OF_PLUGIN if is_plugin else ""),
        scope=policy_scope(resource, root),
        phase=phase if phase in ("AUTHN", "AUTHZ", "STATS") else "",
        priority=_LEAST if priority is None else priority,
        matches=tuple(map(_match, spec.get("match") or ())),
        module=spec if is_plugin else spec.get("wasm"),
        script=(spec.get("lua") or {}).get("inlineCode", ""),
    )


def _match(match: Mapping[str, Any]) -> Match:
    mode = match.get("mode", "")
    ports = frozenset(port.get("number", 0) for port in match.get("ports") or ())
    return Match(frozenset({mode}) if mode in _SIDES else _SIDES, ports)
