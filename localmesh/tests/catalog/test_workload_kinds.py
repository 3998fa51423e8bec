"""StatefulSets, DaemonSets, ReplicaSets, Jobs and Pods: how many pods they have, and how these are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.catalog import Catalog, build
from localmesh.catalog.addressing import SyntheticAllocator, plan_pods
from localmesh.manifests import load_text
from localmesh.problems import ManifestError
from localmesh.runtime.workloads import PodFacts

_TEMPLATE = """
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers: [{name: store, image: store, volumeMounts: [{name: data, mountPath: /data}]}]
"""
STATEFUL_SET = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: store, namespace: shop}}
spec:
  replicas: 2{_TEMPLATE}
  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{accessModes: [ReadWriteOnce]}}}}]
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: curl, namespace: shop, labels: {app: curl}}
spec: {serviceAccountName: caller, containers: [{name: curl, image: curl, ports: [{containerPort: 80}]}]}
"""


def others(kind: str, replicas: str = "") -> str:
    template = _TEMPLATE.replace(", volumeMounts: [{name: data, mountPath: /data}]", "")
    return f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: agent}}\nspec:{replicas}{template}"


def pod_names(catalog: Catalog) -> list[str]:
    return [pod.name for pod in plan_pods(catalog, SyntheticAllocator())]


def test_the_pods_of_a_stateful_set_are_numbered() -> None:
    """And keep their names when the template changes, which nevertheless means new pods."""
    before = build(load_text(STATEFUL_SET).resources)
    after = build(load_text(STATEFUL_SET.replace("image: store", "image: other")).resources)

    assert pod_names(before) == pod_names(after) == ["store-0", "store-1"]
    assert before.workloads[0].restart_key != after.workloads[0].restart_key
    assert before.workloads[0].one_at_a_time


def test_each_pod_of_a_stateful_set_has_its_own_claim(tmp_path: Path) -> None:
    """A folder that is kept when the pod is replaced."""
    (workload,) = build(load_text(STATEFUL_SET).resources).workloads

    folders = [
        PodFacts(workload, ordinal, {}, tmp_path, tmp_path).volume_folder(workload.volumes[0])
        for ordinal in range(2)
    ]

    assert folders == [tmp_path / "claims/shop/data-store-0", tmp_path / "claims/shop/data-store-1"]
    assert not workload.problems


def test_a_pod_is_a_workload_of_its_own_name() -> None:
    """With its labels and its ServiceAccount."""
    catalog = build(load_text(POD).resources)

    (workload,) = catalog.workloads
    assert pod_names(catalog) == ["curl"]
    assert (workload.labels, workload.service_account) == ({"app": "curl"}, "caller")
    assert str(workload.pod_spec) == "spec"


def test_the_status_of_a_pod_does_not_replace_it() -> None:
    """Only labels, annotations and the spec are its template."""
    renamed = POD.replace("metadata: {", "metadata: {creationTimestamp: null, uid: a, ")

    keys = {build(load_text(text).resources).workloads[0].restart_key for text in (POD, renamed)}

    assert len(keys) == 1


def test_a_daemon_set_has_one_pod_for_the_one_node() -> None:
    """Whose name is made from the template."""
    (name,) = pod_names(build(load_text(others("DaemonSet")).resources))

    assert name.startswith("agent-")


def test_a_replica_set_has_the_pods_that_it_asks_for() -> None:
    """As a Deployment."""
    assert len(pod_names(build(load_text(others("ReplicaSet", " \n  replicas: 3")).resources))) == 3


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: report, namespace: shop}
spec: {SETTINGS, template: {spec: {restartPolicy: Never, containers: [{name: report, image: report}]}}}
"""


@pytest.mark.parametrize(
    ("settings", "pods", "retries"),
    [
        ("manualSelector: false", 1, 6),
        ("parallelism: 3, backoffLimit: 0", 3, 0),
        ("parallelism: 3, completions: 2", 2, 6),
        ("suspend: true", 0, 6),
    ],
)
def test_the_pods_of_a_job_run_once(settings: str, pods: int, retries: int) -> None:
    """As many as run at the same time, with the retries that Kubernetes allows by default."""
    (job,) = build(load_text(JOB.replace("SETTINGS", settings)).resources).workloads

    assert job.runs_once
    assert (job.replicas, job.retries) == (pods, retries)


def test_a_job_whose_containers_are_always_restarted_is_rejected() -> None:
    """As by the API server."""
    with pytest.raises(ManifestError, match="expected Never or OnFailure, in a Job"):
        load_text(JOB.replace("SETTINGS", "suspend: false").replace("restartPolicy: Never, ", ""))
