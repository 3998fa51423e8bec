"""Network policies let through what the application needs, and nothing else: one table of connections."""

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
class Ending:
    """One end of a connection: a pod by namespace and labels; without a namespace, outside of the cluster."""

    namespace: str | None
    labels: Labels = field(default_factory=dict)


def service(app: str) -> Ending:
    return Ending("sentimesh", {"app": app})


GATEWAY = Ending("istio-system", {"istio": "ingressgateway"})
ISTIOD = Ending("istio-system", {"app": "istiod"})
DNS = Ending("kube-system", {"k8s-app": "kube-dns"})
COLLECTOR = Ending("observability", {"app": "otel-collector"})
PROMETHEUS = Ending("monitoring", {"app": "prometheus"})
STRANGER = Ending("default", {"app": "webapp"})
LOAD = Ending("sentimesh", {"app": "load", "sentimesh/client": "true"})
INTERNET = API_SERVER = Ending(None)

NEEDED = [
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
    # what the overlays `authorization` and `egress` are about, and the mesh decides
    (GATEWAY, service("logic"), 8080),
    (GATEWAY, service("impostor"), 8080),
    (service("impostor"), service("logic"), 8080),
    (GATEWAY, service("courier"), 8081),
    (service("courier"), Ending("outside", {"app": "judge"}), 8080),
]
UNWANTED = [
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
        each for each in build(folder, ROOT / "k8s" / "base", component) if each["kind"] == "NetworkPolicy"
    ]


def words(case: tuple[Ending, Ending, int]) -> str:
    ends = ["-".join([end.namespace or "outside", *end.labels.values()]) for end in case[:2]]
    return f"{ends[0]}-to-{ends[1]}-{case[2]}"


@pytest.mark.parametrize("case", NEEDED, ids=words)
def test_what_the_application_needs_is_let_through(
    policies: list[Object], case: tuple[Ending, Ending, int]
) -> None:
    """Traffic of the demo, configuration, names, metrics and spans."""
    assert allowed(policies, *case)


@pytest.mark.parametrize("case", UNWANTED, ids=words)
def test_everything_else_is_stopped(policies: list[Object], case: tuple[Ending, Ending, int]) -> None:
    """Whoever has no business with a service does not reach it."""
    assert not allowed(policies, *case)


def test_what_holds_for_all_pods_is_said_by_direction(policies: list[Object]) -> None:
    """kube-router, which k3s and k0s enforce them with, takes the rules of one policy for both directions."""
    for_all = [each["spec"] for each in policies if each["spec"]["podSelector"] == {}]
    with_rules = [spec["policyTypes"] for spec in for_all if "ingress" in spec or "egress" in spec]

    assert sorted(with_rules) == [["Egress"], ["Ingress"]]


def allowed(policies: list[Object], source: Ending, destination: Ending, port: int) -> bool:
    """Whether both ends let the connection through (kubernetes.io: Network Policies)."""
    leaves = _side(policies, source, destination, port, "Egress")
    return leaves and _side(policies, destination, source, port, "Ingress")


def _side(policies: list[Object], own: Ending, other: Ending, port: int, direction: str) -> bool:
    if own.namespace != "sentimesh":
        return True
    selecting = [
        each["spec"]
        for each in policies
        if direction in each["spec"]["policyTypes"] and _selects(each["spec"]["podSelector"], own.labels)
    ]
    rules = [rule for spec in selecting for rule in spec.get(direction.lower(), [])]
    peers = "to" if direction == "Egress" else "from"
    return not selecting or any(
        _has_port(rule, port) and any(_is_peer(peer, other) for peer in rule.get(peers, [{}]))
        for rule in rules
    )


def _has_port(rule: Object, port: int) -> bool:
    return port in [each["port"] for each in rule.get("ports", [{"port": port}])]


def _is_peer(peer: Object, end: Ending) -> bool:
    if not peer:
        return True
    if end.namespace is None:
        return False
    namespaces = peer.get("namespaceSelector", {"matchLabels": {"kubernetes.io/metadata.name": "sentimesh"}})
    in_namespace = _selects(namespaces, {"kubernetes.io/metadata.name": end.namespace})
    return in_namespace and _selects(peer.get("podSelector", {}), end.labels)


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert {each["operator"] for each in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
