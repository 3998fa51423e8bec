"""Faults: edits of a translated configuration that make a mesh disobey its manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Fault = Callable[[Any], None]


def routes(config: Any) -> Iterator[Json]:
    """Every route of a proxy's configuration."""
    for configuration in config.routes:
        for host in configuration["virtualHosts"]:
            yield from host["routes"]


def route_actions(config: Any) -> Iterator[Json]:
    """Every action that sends requests to clusters."""
    return (route["route"] for route in routes(config) if "route" in route)


def weighted_clusters(config: Any) -> Iterator[Json]:
    """Every cluster that gets a share."""
    for action in route_actions(config):
        yield from action.get("weightedClusters", {}).get("clusters", ())


def equal_weights(config: Any) -> None:
    for cluster in weighted_clusters(config):
        cluster["weight"] = 50


def blue_only(config: Any) -> None:
    for cluster in weighted_clusters(config):
        cluster["name"] = cluster["name"].replace("|v2|", "|v1|")


def without_action(*fields: str, **values: Any) -> Fault:
    """Removes fields of route actions, and sets others."""

    def fault(config: Any) -> None:
        for action in route_actions(config):
            for field in fields:
                action.pop(field, None)
            action.update(values)

    return fault


def retry_on_5xx(config: Any) -> None:
    for action in route_actions(config):
        if "retryPolicy" in action:
            action["retryPolicy"]["retryOn"] = "5xx"


def mirror_half(config: Any) -> None:
    for action in route_actions(config):
        for policy in action.get("requestMirrorPolicies", ()):
            policy["runtimeFraction"] = {"defaultValue": {"numerator": 50, "denominator": "HUNDRED"}}


def without_header_operations(config: Any) -> None:
    for route in routes(config):
        for field in (
            "requestHeadersToAdd",
            "requestHeadersToRemove",
            "responseHeadersToRemove",
            "typedPerFilterConfig",
        ):
            route.pop(field, None)


def without_injected_faults(config: Any) -> None:
    for route in routes(config):
        route.get("typedPerFilterConfig", {}).pop("envoy.filters.http.fault", None)


def without_http_filter(name: str) -> Fault:
    """Removes a filter from all listeners."""

    def change(config: Any) -> None:
        for listener in config.listeners:
            for chain in listener["filterChains"]:
                for entry in chain["filters"]:
                    filters = entry["typedConfig"].get("httpFilters", [])
                    filters[:] = [each for each in filters if each["name"] != name]

    return change


def without_user_groups(config: Any) -> None:
    """Removes every route that matches the header."""
    for configuration in config.routes:
        for host in configuration["virtualHosts"]:
            host["routes"] = [route for route in host["routes"] if "user-group" not in str(route["match"])]


def without_cluster_field(field: str) -> Fault:
    def fault(config: Any) -> None:
        for cluster in config.clusters:
            cluster.pop(field, None)

    return fault


def without_priorities(config: Any) -> None:
    """Makes all localities of a cluster equal."""
    for assignment in config.endpoints:
        for locality in assignment.get("endpoints", ()):
            locality.pop("priority", None)


def without_policies(config: Any) -> None:
    for slot in config.policies:
        slot["typedConfig"] = {"@type": slot["typedConfig"]["@type"]}


def without_custom_rules(config: Any) -> None:
    """Leaves the authorizers, but no request about which they are asked."""
    for slot in config.policies:
        if slot["name"] == "rules-custom":
            slot["typedConfig"] = {"@type": slot["typedConfig"]["@type"]}


def without_token_validation(config: Any) -> None:
    for slot in config.policies:
        if slot["name"] == "tokens":
            slot["typedConfig"] = {"@type": slot["typedConfig"]["@type"]}


def without_client_certificates(config: Any) -> None:
    """Lets a gateway's listeners admit any client."""
    for listener in config.listeners:
        for chain in listener["filterChains"]:
            tls = chain.get("transportSocket", {}).get("typedConfig", {})
            if "credential" in str(tls) or "kubernetes" in str(tls):
                tls.pop("requireClientCertificate", None)
                tls["commonTlsContext"].pop("combinedValidationContext", None)


def without_tls_from_sidecars(config: Any) -> None:
    """Leaves a sidecar's clusters for hosts outside without the TLS that a DestinationRule asks for."""
    if any(listener["trafficDirection"] == "INBOUND" for listener in config.listeners):
        for cluster in config.clusters:
            if "kubernetes://" in str(cluster.get("transportSocket")):
                cluster.pop("transportSocket")


def accept_plain_text(config: Any) -> None:
    """Adds a filter chain for plain text to every inbound listener."""
    for listener in config.listeners:
        if listener["trafficDirection"] == "INBOUND":
            (strict,) = listener["filterChains"]
            plain = {"filterChainMatch": {"transportProtocol": "raw_buffer"}, "name": "plain"}
            listener["filterChains"] = [strict, {**plain, "filters": strict["filters"]}]


def pass_unknown_hosts_on(config: Any) -> None:
    """Lets the last virtual host send to the judge what it should refuse."""
    for configuration in config.routes:
        for host in configuration["virtualHosts"]:
            if host["name"] == "block_all":
                (route,) = host["routes"]
                route.pop("directResponse", None)  # hosts of several ports share their routes
                route["route"] = {"cluster": "outbound|80||judge.example"}


def without_the_entry(config: Any) -> None:
    """Removes the virtual host of the ServiceEntry."""
    for configuration in config.routes:
        configuration["virtualHosts"] = [
            host for host in configuration["virtualHosts"] if not host["name"].startswith("judge.example")
        ]
