"""A workload's security policies, as what fills the slots that listeners have for them.

Istio writes the filters into the listener. Here they are delivered over the stream of extension
configurations: a changed policy applies to the next request of every open connection, and closes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from localmesh.catalog import Action, AuthorizationPolicy, Authorizer, Catalog, JwtRule, Proxy, ProxyKind
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.http_filters import AUTHORIZER, JWT, POLICY_FILTERS, RBAC, HttpFilter
from localmesh.translate.jwt import jwt_filter
from localmesh.translate.keys import ProxyKey
from localmesh.translate.rbac import custom_filters, rbac_filter

Json = dict[str, Any]

_NAMES = {filter_.slot: filter_.name for filter_ in POLICY_FILTERS}


class SecurityPolicies(NamedTuple):
    """The policies of a workload: of a sidecar for requests to its application, of a gateway for all.

    `listen` is where the proxy really listens for each port that a policy can name.
    """

    key: ProxyKey
    policies: tuple[AuthorizationPolicy, ...]
    jwt_rules: tuple[JwtRule, ...]
    listen: Mapping[int, int]
    is_gateway: bool
    authorizers: tuple[Authorizer, ...] = ()

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> SecurityPolicies:
        """The policies that select the workload."""
        return cls(
            key=ProxyKey.of(proxy),
            policies=tuple(catalog.policies_for(proxy)),
            jwt_rules=tuple(catalog.jwt_rules_for(proxy)),
            listen=listen_ports(proxy),
            is_gateway=proxy.kind is ProxyKind.GATEWAY,
            authorizers=catalog.authorizers_for(proxy),
        )

    def build(self, _parts: PartCache) -> ProxyConfig:
        """The configuration of each slot; one that no policy fills lets all requests pass."""
        of = {action: [policy for policy in self.policies if policy.action is action] for action in RBAC}
        noted, check = custom_filters(of[Action.CUSTOM], self.authorizers, self.listen)
        filters = {
            **{rbac: rbac_filter(action, of[action], self.listen) for action, rbac in RBAC.items()},
            RBAC[Action.CUSTOM]: noted,
            AUTHORIZER: check,
            JWT: jwt_filter(self.jwt_rules, at_gateway=self.is_gateway),
        }
        return ProxyConfig(policies=tuple(_filling(each, filters[each]) for each in POLICY_FILTERS))


def _filling(filter_: HttpFilter, settings: Json | None) -> Json:
    type_ = filter_.type if settings is not None else filter_.empty_type or filter_.type
    return {"name": filter_.slot, "typedConfig": {"@type": type_, **(settings or {})}}


def filled(slots: Iterable[Json]) -> list[Json]:
    """The filters of policies, with Istio's names and without those that are empty, and of extensions."""
    return [
        {**slot, "name": _NAMES.get(slot["name"], slot["name"])}
        for slot in slots
        if slot["name"] not in _NAMES or set(slot["typedConfig"]) != {"@type"}
    ]


def with_policies(listener: Json, slots: Iterable[Json]) -> Json:
    """A listener as Istio writes it: with the policies in it instead of slots."""
    policies = {slot["name"]: filled([slot]) for slot in slots if slot["name"] in _NAMES}
    chains = [
        {
            **chain,
            "filters": [_with_policies(network_filter, policies) for network_filter in chain["filters"]],
        }
        for chain in listener["filterChains"]
    ]
    return {**listener, "filterChains": chains}


def _with_policies(network_filter: Json, policies: Mapping[str, list[Json]]) -> Json:
    manager = network_filter["typedConfig"]
    if "httpFilters" not in manager:
        return network_filter  # of connections that are not HTTP
    filters = [
        each
        for http_filter in manager["httpFilters"]
        for each in policies.get(http_filter["name"], [http_filter])
    ]
    return {**network_filter, "typedConfig": {**manager, "httpFilters": filters}}


def listen_ports(proxy: Proxy) -> dict[int, int]:
    """Where a proxy really listens for each port that a policy can name."""
    if proxy.kind is ProxyKind.GATEWAY:
        return {port: address.port for port, address in proxy.listen.items()}
    return {inbound.container_port: inbound.listen.port for inbound in proxy.inbound}
