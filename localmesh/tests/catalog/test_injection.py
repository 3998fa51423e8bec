"""Which pods get a sidecar: the table of Istio's page "Installing the Sidecar", and what differs here."""

from __future__ import annotations

import pytest

from localmesh.catalog.addressing import SyntheticAllocator
from localmesh.catalog.injection import is_disabled, is_enabled
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import EMPTY, plan

YES, NO = {"istio-injection": "enabled"}, {"istio-injection": "disabled"}
REVISION, OTHER = {"istio.io/rev": "stable"}, {"istio-injection": "true"}
POD_YES, POD_NO = {"sidecar.istio.io/inject": "true"}, {"sidecar.istio.io/inject": "false"}


@pytest.mark.parametrize(
    ("namespace", "pod", "on_a_cluster"),
    [
        (YES, {}, True),
        (YES, POD_YES, True),
        (YES, POD_NO, False),
        (NO, {}, False),
        (NO, POD_YES, False),
        (NO | REVISION, {}, False),
        (REVISION, {}, True),
        (REVISION, POD_NO, False),
        ({}, {}, False),
        ({}, POD_YES, True),
        ({}, REVISION, True),
        ({}, REVISION | POD_NO, False),
        (OTHER, {}, False),
        (OTHER, POD_YES, False),
        (OTHER | REVISION, {}, False),
    ],
)
def test_labels_decide_as_on_a_cluster(
    namespace: dict[str, str], pod: dict[str, str], on_a_cluster: bool
) -> None:
    """One refusal is enough, otherwise one request; that of a pod counts if its namespace has no label."""
    disabled = is_disabled(namespace, pod, {})

    assert (not disabled and is_enabled(namespace, pod)) == on_a_cluster


@pytest.mark.parametrize(
    ("namespace", "pod", "annotations", "here"),
    [
        ("", "", "", True),
        ("", 'sidecar.istio.io/inject: "false"', "", False),
        ("", "", 'sidecar.istio.io/inject: "false"', False),
        ("", 'sidecar.istio.io/inject: "true"', 'sidecar.istio.io/inject: "false"', True),
        ("istio-injection: disabled", "", "", False),
        ("istio-injection: disabled", 'sidecar.istio.io/inject: "true"', "", False),
    ],
)
def test_here_every_pod_gets_a_sidecar_unless_injection_is_disabled(
    namespace: str, pod: str, annotations: str, here: bool
) -> None:
    """Labels of the pod and of the namespace refuse it; the label takes precedence over the annotation."""
    text = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{{namespace}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web, {pod}}}, annotations: {{{annotations}}}}}
    spec: {{containers: [{{name: web, image: web, ports: [{{containerPort: 8080}}]}}]}}
"""
    resources = load_text(text).resources

    (placed,) = plan(resources, (), SyntheticAllocator(), EMPTY).pods.values()

    assert (placed.proxy is not None) == here
    assert placed.pod.has_sidecar == here
