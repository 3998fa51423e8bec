"""What is configured for an edge or a node of the graph: rules with file and field, and Envoy's form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from localmesh.catalog import Proxy
from localmesh.explain import Explainer, Reference
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.route_tables import conditions_text
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.problems import FieldPath
from localmesh.telemetry.graph import Graph, edge_id, node_of
from localmesh.telemetry.route_leads import Lead

Json = dict[str, Any]

_LONGEST_YAML = 4000


def edge_rules(explainer: Explainer, graph: Graph, edge: str) -> Json:
    """The routes and settings that decide about the requests of an edge; empty for an unknown one."""
    links = [link for link in graph.links if any(edge_id(link.source, to) == edge for to in link.targets)]
    rules: list[Json] = []
    settings: list[Json] = []
    envoy: dict[str, Any] = {}
    for link in links:
        proxy = _proxy_of(explainer, link.source)
        if proxy is None:
            continue
        prepared = explainer.prepared(proxy)
        for lead in link.leads:
            rule = _rule(prepared, lead)
            if rule not in rules:
                rules.append(rule)
            envoy.setdefault(f"route in {lead.table.name}", []).append(lead.route)
        upstream = prepared.upstreams.named(link.cluster)
        for setting in upstream.destination.settings:
            told = {"name": setting.name, "value": setting.value, **_place(setting.reference)}
            if told not in settings:
                settings.append(told)
        envoy[f"cluster {link.cluster}"] = upstream.cluster
    return {
        "rules": sorted(rules, key=lambda rule: bool(rule["default"])),
        "settings": settings,
        "envoy": envoy,
    }


def _rule(prepared: PreparedProxy, lead: Lead) -> Json:
    """A route that leads to a cluster, with the rule of the manifest that it was made from."""
    rule = prepared.rule(lead.table, lead.virtual_host, lead.route)
    part = f"{lead.percent:g} % of the requests to {lead.virtual_host['name']}"
    return {
        "what": f"copies of {part}" if lead.is_mirror else part,
        "conditions": conditions_text(lead.route["match"]),
        "default": rule.reference is None,
        **_place(rule.reference),
        "yaml": _yaml(rule.reference),
    }


def node_rules(explainer: Explainer, node: str) -> Json:
    """What is configured for the requests that a workload receives; empty for an unknown one."""
    proxy = _proxy_of(explainer, node)
    if proxy is None:
        return {"rules": [], "settings": [], "envoy": {}}
    return {
        "rules": list(_inbound_rules(explainer, proxy)),
        "settings": [],
        "envoy": {
            f"listener {listener['name']}": listener
            for listener in explainer.prepared(proxy).config.listeners
            if listener["name"] != "outbound"
        },
    }


def _inbound_rules(explainer: Explainer, proxy: Proxy) -> Iterator[Json]:
    catalog = explainer.catalog
    for inbound in proxy.inbound:
        decision = catalog.peer_authentications.decision(
            proxy.namespace, proxy.labels, inbound.container_port
        )
        reference = Reference(decision.resource, decision.path) if decision.resource else None
        yield {
            "what": f"port {inbound.container_port} accepts {_ACCEPTS[decision.mode.value]}",
            "conditions": [],
            "default": reference is None,
            **_place(reference),
            "yaml": _yaml(reference),
        }
    for policy in catalog.policies_for(proxy):
        resource = catalog.objects.named(AUTHORIZATION_POLICY, policy.namespace, policy.name)
        reference = Reference(resource, FieldPath("spec")) if resource is not None else None
        yield {
            "what": f"AuthorizationPolicy: {policy.action.value}",
            "conditions": [],
            "default": False,
            **_place(reference),
            "yaml": _yaml(reference),
        }


_ACCEPTS = {
    "PERMISSIVE": "mTLS and plain text (PERMISSIVE)",
    "STRICT": "mTLS only (STRICT)",
    "DISABLE": "plain text (DISABLE)",
}


def _proxy_of(explainer: Explainer, node: str) -> Proxy | None:
    return next((proxy for proxy in explainer.proxies if node_of(proxy) == node), None)


def _place(reference: Reference | None) -> Json:
    """The object, the field, and the file that a reference names."""
    if reference is None:
        return {"object": "", "field": "", "file": ""}
    place = reference.resource.place
    files = [*place.patched_by, place.file] if place.patched_by else [place.file]
    return {"object": reference.subject, "field": str(reference.path), "file": ", ".join(filter(None, files))}


def _yaml(reference: Reference | None) -> str:
    """What is written there."""
    if reference is None:
        return ""
    value: Any = reference.resource.body
    for segment in reference.path:
        try:
            value = value[segment]
        except (KeyError, IndexError, TypeError):
            return ""
    text = yaml.safe_dump(_plain(value), sort_keys=False, default_flow_style=False, width=100)
    return text if len(text) <= _LONGEST_YAML else f"{text[:_LONGEST_YAML]}…\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
