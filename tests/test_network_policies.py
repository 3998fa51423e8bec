"""Network policies allow the connections that the application needs, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kustomize_builds import Object, build
from tests.live import ROOT

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection: a pod by namespace and labels; without a namespace, outside the cluster."""

    namespace: str | None
    labels: Labels = field(default_factory=dict)


def service(app: str) -> Endpoint:
    return Endpoint("sentimesh", {"app": app})


GATEWAY = Endpoint("istio-system", {"istio": "ingressgateway"})
ISTIOD = Endpoint("istio-system", {"app": "istiod"})
DNS = Endpoint("kube-system", {"k8s-app": "kube-dns"})
COLLECTOR = Endpoint("observability", {"app": "otel-collector"})
PROMETHEUS = Endpoint("monitoring", {"app": "prometheus"})
STRANGER = Endpoint("default", {"app": "webapp"})
LOAD = Endpoint("sentimesh", {"app": "load", "sentimesh/client": "true"})
INTERNET = API_SERVER = Endpoint(None)

REQUIRED = [
    (GATEWAY, service("frontend"), 8080),
    (GATEWAY, service("webapp"), 8080),
    (GATEWAY, service("feedback"), 8080),
    (service("webapp"), service("logic"), 8080),
    (service("feedback"), service("postgres"), 5432),
    (LOAD, service("webapp"), 8080),
    (LOAD, GATEWAY, 8080),
    (PROMETHEUS, service("logic"), 15020),
    (API_SERVER, service("logic"), 9102),
    *((service(app), ISTIOD, 15012) for app in ("frontend", "webapp", "logic", "feedback", "postgres")),
    *((service(app), DNS, 53) for app in ("frontend", "webapp", "logic", "feedback")),
    (service("logic"), COLLECTOR, 4317),
    (service("logic"), COLLECTOR, 9411),
    (GATEWAY, service("edge"), 8080),
    (service("edge"), service("feedback"), 8080),
    # for the overlays `authorization` and `egress`, in which the mesh decides
    (GATEWAY, service("logic"), 8080),
    (GATEWAY, service("impostor"), 8080),
    (service("impostor"), service("logic"), 8080),
    (GATEWAY, service("courier"), 8081),
    (service("courier"), Endpoint("outside", {"app": "judge"}), 8080),
]
BLOCKED = [
    (GATEWAY, service("postgres"), 5432),
    (GATEWAY, service("logic"), 9999),
    (service("impostor"), service("feedback"), 8080),
    (STRANGER, service("logic"), 8080),
    (STRANGER, service("webapp"), 8080),
    (service("frontend"), service("logic"), 8080),
    (service("webapp"), service("feedback"), 8080),
    (service("logic"), service("webapp"), 8080),
    (service("webapp"), service("postgres"), 5432),
    (INTERNET, service("frontend"), 8080),
    (service("logic"), INTERNET, 443),
    (service("frontend"), API_SERVER, 6443),
    (LOAD, service("postgres"), 5432),
    (LOAD, API_SERVER, 6443),
    (LOAD, INTERNET, 443),
    (service("webapp"), service("logic"), 22),
    (PROMETHEUS, service("logic"), 8080),
]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    component = ROOT / "k8s" / "components" / "network-policies"
    folder: Path = tmp_path_factory.mktemp("policies")
    return [
        item for item in build(folder, ROOT / "k8s" / "base", component) if item["kind"] == "NetworkPolicy"
    ]


def words(case: tuple[Endpoint, Endpoint, int]) -> str:
    ends = ["-".join([end.namespace or "outside", *end.labels.values()]) for end in case[:2]]
    return f"{ends[0]}-to-{ends[1]}-{case[2]}"


@pytest.mark.parametrize("case", REQUIRED, ids=words)
def test_required_connections_are_allowed(
    policies: list[Object], case: tuple[Endpoint, Endpoint, int]
) -> None:
    """Requests, configuration, DNS, metrics and spans."""
    assert allowed(policies, *case)


@pytest.mark.parametrize("case", BLOCKED, ids=words)
def test_other_connections_are_blocked(policies: list[Object], case: tuple[Endpoint, Endpoint, int]) -> None:
    """A pod that does not need a service cannot connect to it."""
    assert not allowed(policies, *case)


def test_policies_for_all_pods_have_one_direction(policies: list[Object]) -> None:
    """kube-router, which k3s and k0s use, applies the rules of such a policy to both directions."""
    for_all = [policy["spec"] for policy in policies if policy["spec"]["podSelector"] == {}]
    with_rules = [spec["policyTypes"] for spec in for_all if "ingress" in spec or "egress" in spec]

    assert sorted(with_rules) == [["Egress"], ["Ingress"]]


def allowed(policies: list[Object], source: Endpoint, destination: Endpoint, port: int) -> bool:
    """Whether both ends allow the connection (kubernetes.io: Network Policies)."""
    is_sent = _side(policies, source, destination, port, "Egress")
    return is_sent and _side(policies, destination, source, port, "Ingress")


def _side(policies: list[Object], own: Endpoint, other: Endpoint, port: int, direction: str) -> bool:
    if own.namespace != "sentimesh":
        return True
    selecting = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [rule for spec in selecting for rule in spec.get(direction.lower(), [])]
    peers = "to" if direction == "Egress" else "from"
    return not selecting or any(
        _has_port(rule, port) and any(_is_peer(peer, other) for peer in rule.get(peers, [{}]))
        for rule in rules
    )


def _has_port(rule: Object, port: int) -> bool:
    return port in [item["port"] for item in rule.get("ports", [{"port": port}])]


def _is_peer(peer: Object, end: Endpoint) -> bool:
    if not peer:
        return True
    if end.namespace is None:
        return False
    namespaces = peer.get("namespaceSelector", {"matchLabels": {"kubernetes.io/metadata.name": "sentimesh"}})
    in_namespace = _selects(namespaces, {"kubernetes.io/metadata.name": end.namespace})
    return in_namespace and _selects(peer.get("podSelector", {}), end.labels)


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert {expression["operator"] for expression in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
