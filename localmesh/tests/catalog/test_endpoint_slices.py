"""Endpoints that EndpointSlices and Endpoints list, beyond what the recorded case shows."""

from __future__ import annotations

import pytest

from localmesh.catalog import build
from localmesh.manifests import load_text

HOST = "db.default.svc.cluster.local"
WITHOUT_SELECTOR = "ports: [{name: tcp-db, port: 5432}]"
WITH_SELECTOR = f"selector: {{app: db}}, {WITHOUT_SELECTOR}"


def service(spec: str) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: db}}\nspec: {{{spec}}}\n---\n"


def a_slice(address: str, *, number: int = 5432, labels: str = "", port: str = "tcp-db") -> str:
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: db-{address}-{number}, labels: {{kubernetes.io/service-name: db{labels}}}}}
addressType: IPv4
ports: [{{name: {port}, port: {number}}}]
endpoints: [{{addresses: [{address}]}}]
---
"""


def listed(text: str) -> list[str]:
    """The addresses with which the Service is called, for its port."""
    catalog = build(load_text(text).resources)
    endpoints = catalog.endpoints_by_host.get(HOST, ())
    return [str(address) for each in endpoints if (address := each.address_of("tcp-db", 5432))]


def managed_by(name: str) -> str:
    return f", endpointslice.kubernetes.io/managed-by: {name}"


@pytest.mark.parametrize("spec", [WITH_SELECTOR, WITHOUT_SELECTOR])
def test_a_slice_counts_whether_the_service_has_a_selector_or_not(spec: str) -> None:
    """The label alone joins them."""
    assert listed(service(spec) + a_slice("192.0.2.1")) == ["192.0.2.1:5432"]


def test_slices_that_kubernetes_writes_from_pods_are_not_those_of_these_pods() -> None:
    """As in what `kubectl get -o yaml` prints: the controller would replace them."""
    of_pods = a_slice("10.244.0.7", labels=managed_by("endpointslice-controller.k8s.io"))
    mirrored = a_slice("10.244.0.8", labels=managed_by("endpointslicemirroring-controller.k8s.io"))

    assert listed(service(WITH_SELECTOR) + of_pods + mirrored) == []
    assert listed(service(WITHOUT_SELECTOR) + of_pods + mirrored) == ["10.244.0.7:5432"]


def test_of_two_with_one_address_and_port_the_first_counts() -> None:
    """A pod that moves from one slice to another is in both for a moment."""
    twice = a_slice("192.0.2.1", number=1) + a_slice("192.0.2.1", number=2)

    assert listed(service(WITHOUT_SELECTOR) + twice) == ["192.0.2.1:1"]


def test_a_port_of_another_name_has_no_endpoint() -> None:
    """Not even where the Service says the number."""
    assert listed(service(WITHOUT_SELECTOR) + a_slice("192.0.2.1", port="other")) == []
