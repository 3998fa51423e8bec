"""The API server takes every combination, and the application comes up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.kube import Kube
from tests.kustomize_builds import BASES, COMPONENTS, Object, build
from tests.live import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]


def test_the_canary_comes_up_with_sidecars_and_without_a_warning(kube: Kube, namespace: None) -> None:
    """From nothing: no warning of Pod Security or another policy, and each pod has two ready containers."""
    warnings = kube.apply(ROOT / "istio" / "overlays" / "canary")
    kube.wait_until_ready()

    pods = kube.pods("app.kubernetes.io/part-of=sentimesh")
    ready = {
        pod["metadata"]["name"]: [
            each["ready"]
            for each in (*pod["status"].get("initContainerStatuses", ()), *pod["status"]["containerStatuses"])
            if each["name"] in {"istio-proxy", pod["metadata"]["labels"]["app"]}
        ]
        for pod in pods
    }
    assert warnings == ""
    assert len(ready) == 6
    assert set(map(tuple, ready.values())) == {(True, True)}, ready


def test_the_api_server_takes_every_combination(kube: Kube, namespace: None, tmp_path: Path) -> None:
    """Each distinct object of each kustomization with each component passes a dry run without a warning."""
    served = {line.split()[-1] for line in kube("api-resources", "--no-headers").splitlines()}
    distinct: dict[str, Object] = {}
    for index, base in enumerate(BASES):
        for each in build(_folder(tmp_path, f"{index}"), base):
            distinct[json.dumps(each, sort_keys=True)] = each
        for component in COMPONENTS:
            for each in build(_folder(tmp_path, f"{index}-{component.name}"), base, component):
                distinct[json.dumps(each, sort_keys=True)] = each
    objects = [each for each in distinct.values() if each["kind"] in served]
    # What is in a namespace passes a dry run only where there is one; these enforce nothing yet.
    for each in build(_folder(tmp_path, "namespaces"), ROOT / "istio" / "overlays" / "egress"):
        if each["kind"] == "Namespace":
            kube("apply", "--filename=-", given=json.dumps(each))

    refused = []
    for each in objects:
        finished = kube.run("apply", "--dry-run=server", "--filename=-", given=json.dumps(each))
        # The warning about the annotation is kubectl's, for objects that a dry run would have applied.
        said = [line for line in finished.stderr.splitlines() if "last-applied-configuration" not in line]
        if finished.returncode or said:
            refused.append(f"{each['kind']} {each['metadata']['name']}: {said}")

    assert refused == []
    assert len(objects) > 60
    left_out = {each["kind"] for each in distinct.values()} - {each["kind"] for each in objects}
    assert left_out <= {"AnalysisTemplate", "Canary", "MetricTemplate", "Rollout"}


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
