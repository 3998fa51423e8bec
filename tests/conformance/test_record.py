"""The recorder: what it applies for a case, and, on a cluster, that two recordings are equal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localmesh.manifests import load_text
from tests.conformance.case import Case, named
from tests.conformance.record.__main__ import PAUSE
from tests.conformance.record.recorder import Recorder
from tests.conformance.record.stand_ins import objects
from tests.conformance.recorded import read

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: web:1
        command: [serve]
        env: [{name: PORT, value: "8080"}]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /readyz, port: 8080}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {a: b}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


def test_a_pod_is_replaced_by_one_that_does_nothing() -> None:
    """Labels, ports, ServiceAccount and replicas are kept; command, environment and probes are removed."""
    by_kind = {item["kind"]: item for item in objects(load_text(MANIFEST).resources, "pause:1")}

    spec = by_kind["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["template"]["metadata"]["labels"] == {"app": "web", "version": "v1"}
    assert spec["template"]["spec"]["serviceAccountName"] == "web"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "pause:1"
    assert set(container) == {"name", "image", "imagePullPolicy", "ports"}


def test_only_objects_that_istio_reads_are_applied() -> None:
    """A namespace with injection for the objects in it, but not Istio's own; ConfigMaps may hold CAs."""
    applied = objects(load_text(MANIFEST).resources, "pause:1")

    assert [(item["kind"], item["metadata"]["name"]) for item in applied] == [
        ("Namespace", "shop"),
        ("Deployment", "web"),
        ("ConfigMap", "settings"),
        ("PeerAuthentication", "default"),
    ]
    assert applied[0]["metadata"]["labels"]["istio-injection"] == "enabled"


@pytest.mark.cluster
@pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="there is no cluster in KUBECONFIG")
def test_a_case_recorded_again_is_the_same(tmp_path: Path) -> None:
    """A recording does not depend on the run; `PAUSE_IMAGE` sets another image for the pods."""
    original = named("route-weights")
    again = Case(tmp_path / original.name)
    again.folder.mkdir()
    again.input.write_bytes(original.input.read_bytes())
    recorder = Recorder(os.environ.get("PAUSE_IMAGE", PAUSE))

    try:
        recorder.record(again)
    finally:
        recorder.close()

    assert read(again) == read(original)
