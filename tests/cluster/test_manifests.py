"""The API server accepts every combination, and the application starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.kube import Kube
from tests.kustomize_builds import BASES, COMPONENTS, Object, build
from tests.live import ROOT

EXPECTED = ("last-applied-configuration", "EnvoyFilter exposes internal implementation details")
"""kubectl warns of this annotation for objects that a dry run did not create, Istio of each EnvoyFilter."""
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]


def test_the_canary_starts_with_sidecars_and_without_a_warning(kube: Kube, namespace: None) -> None:
    """No warning of Pod Security or another policy, and each pod has two ready containers."""
    warnings = kube.apply(ROOT / "istio" / "overlays" / "canary")
    kube.wait_until_ready()

    pods = kube.pods("app.kubernetes.io/part-of=sentimesh")
    ready = {
        pod["metadata"]["name"]: [
            status["ready"]
            for status in (
                *pod["status"].get("initContainerStatuses", ()),
                *pod["status"]["containerStatuses"],
            )
            if status["name"] in {"istio-proxy", pod["metadata"]["labels"]["app"]}
        ]
        for pod in pods
    }
    assert warnings == ""
    assert len(ready) == 6
    assert set(map(tuple, ready.values())) == {(True, True)}, ready


def test_the_api_server_accepts_every_combination(kube: Kube, namespace: None, tmp_path: Path) -> None:
    """Each distinct object of each kustomization with each component passes a dry run without a warning."""
    served = {line.split()[-1] for line in kube("api-resources", "--no-headers").splitlines()}
    distinct: dict[str, Object] = {}
    for index, base in enumerate(BASES):
        for item in build(_folder(tmp_path, f"{index}"), base):
            distinct[json.dumps(item, sort_keys=True)] = item
        for component in COMPONENTS:
            for item in build(_folder(tmp_path, f"{index}-{component.name}"), base, component):
                distinct[json.dumps(item, sort_keys=True)] = item
    objects = [item for item in distinct.values() if item["kind"] in served]
    # A dry run of a namespaced object requires its namespace; these namespaces do not enforce anything yet.
    for item in build(_folder(tmp_path, "namespaces"), ROOT / "istio" / "overlays" / "egress"):
        if item["kind"] == "Namespace":
            kube("apply", "--filename=-", given=json.dumps(item))

    refused = []
    for item in objects:
        finished = kube.run("apply", "--dry-run=server", "--filename=-", given=json.dumps(item))
        warnings = [
            line for line in finished.stderr.splitlines() if not any(known in line for known in EXPECTED)
        ]
        if finished.returncode or warnings:
            refused.append(f"{item['kind']} {item['metadata']['name']}: {warnings}")

    assert refused == []
    assert len(objects) > 60
    skipped = {item["kind"] for item in distinct.values()} - {item["kind"] for item in objects}
    assert skipped <= {"AnalysisTemplate", "Canary", "MetricTemplate", "Rollout"}


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
