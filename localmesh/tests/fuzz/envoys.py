"""Validation of configurations by a real Envoy: many in one run, and in halves if it rejects them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from localmesh.catalog import Address
from localmesh.runtime.processes.envoy import RUNTIME, binary
from localmesh.translate import ProxyConfig

Json = dict[str, Any]
_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)


def rejections(configs: Sequence[Sequence[ProxyConfig]], folder: Path) -> dict[int, str]:
    """The messages of Envoy about the examples that it rejects, by their index."""
    message = _rejection([config for example in configs for config in example], folder)
    if message is None:
        return {}
    if len(configs) == 1:
        return {0: message}
    half = len(configs) // 2
    upper = rejections(configs[half:], folder)
    return rejections(configs[:half], folder) | {half + index: upper[index] for index in upper}


def _rejection(configs: Sequence[ProxyConfig], folder: Path) -> str | None:
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(bootstrap(configs)), encoding="utf-8")
    command = [str(binary()), "--mode", "validate", "--config-path", str(file), "--log-level", "error"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    # it sometimes prints the whole configuration, line by line, before its message
    return (
        None if finished.returncode == 0 else (finished.stdout + finished.stderr).strip().rpartition("\n")[2]
    )


def bootstrap(configs: Sequence[ProxyConfig]) -> Json:
    """All configurations as static resources with distinct names; routes and policies are in listeners."""
    numbers = count(10_000)
    listeners, clusters = [], []
    for number, config in enumerate(configs):
        listeners += [_listener(number, routes, next(numbers)) for routes in config.routes]
        policies = [slot for slot in config.policies if set(slot["typedConfig"]) != {"@type"}]
        if policies:
            routes = {"name": "policies", "virtualHosts": []}
            listeners.append(_listener(number, routes, next(numbers), policies))
        clusters += list(_clusters(number, config))
    control_plane = {"name": "control-plane", "type": "STATIC"}
    return {
        "node": {"id": "fuzz", "cluster": "fuzz"},
        "layeredRuntime": {"layers": [{"name": "as in Istio", "staticLayer": RUNTIME}]},
        "dynamicResources": {
            "adsConfig": {
                "apiType": "GRPC",
                "transportApiVersion": "V3",
                "grpcServices": [{"envoyGrpc": {"clusterName": "control-plane"}}],
            }
        },
        "staticResources": {"listeners": listeners, "clusters": [control_plane, *clusters]},
    }


def _listener(number: int, routes: Json, port: int, policies: Sequence[Json] = ()) -> Json:
    """A listener that contains these routes and filters: Envoy does not validate them otherwise."""
    address = Address("127.0.0.1", port)
    manager = {
        "@type": _MANAGER,
        "statPrefix": "fuzz",
        "routeConfig": routes,
        "httpFilters": [
            *policies,
            *(
                {
                    "name": name,
                    "typedConfig": {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{kind}"},
                }
                for name, kind in (
                    ("envoy.filters.http.fault", "fault.v3.HTTPFault"),
                    ("envoy.filters.http.cors", "cors.v3.Cors"),
                    ("envoy.filters.http.router", "router.v3.Router"),
                )
            ),
        ],
    }
    return {
        "name": f"{number} {routes['name']}",
        "address": {"socketAddress": {"address": address.host, "portValue": address.port}},
        "filterChains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typedConfig": manager}]}
        ],
    }


def _clusters(number: int, config: ProxyConfig) -> Iterator[Json]:
    for cluster in config.clusters:
        named = {**cluster, "name": f"{number} {cluster['name']}"}
        if named.get("type", "").endswith("_DNS"):
            # Envoy 1.40 crashes in this mode if such a cluster has certificates from the control plane
            named.pop("transportSocketMatches", None)
            named.pop("transportSocket", None)
        yield named
