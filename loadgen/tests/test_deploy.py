"""Overlays on a cluster: the commands of kubectl, deletion, and waiting for the rollout."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loadgen.deploy import ClusterDeployer, cluster, find_overlays, rollout
from loadgen.deploy.overlays import has_policies
from loadgen.deploy.rollout import await_drained, await_pods, await_pushes, rolled_out
from loadgen.errors import NotReachable, Refused, UsageError
from loadgen.meshstate import MeshApi

KUBECTL = """#!/bin/sh
echo "$*" >>"$FOLDER/calls"
echo "${KUBECONFIG}" >"$FOLDER/kubeconfig"
case "$3" in
get) case "$*" in *" namespaces") cat "$FOLDER/namespaces.json" ;; *) cat "$FOLDER/objects.json" ;; esac ;;
apply) case "$*" in *broken*) echo "error: it is broken" >&2; exit 1 ;; esac
       case "$*" in *"-f -"*) cat >"$FOLDER/stdin" ;; esac
       case "$*" in *--kubeconfig*) cat "$7" >"$FOLDER/context" ;; esac
       cat "$FOLDER/named.json" ;;
esac
"""


def thing(kind: str, name: str, namespace: str | None = "sentimesh") -> dict[str, Any]:
    """An object as in a manifest; its API group follows from its kind."""
    istio = {"VirtualService", "Sidecar"}
    where = {} if namespace is None else {"namespace": namespace}
    api_version = "networking.istio.io/v1" if kind in istio else "v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where}}


def applied(kind: str, name: str) -> dict[str, Any]:
    """An object in a cluster after `kubectl apply`."""
    manifest = thing(kind, name)
    notes = {cluster.MANIFEST: json.dumps(manifest)}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": notes, "resourceVersion": "7"}}


def listed(file: Path, *items: dict[str, Any]) -> None:
    """Set the output of kubectl."""
    file.write_text(json.dumps({"kind": "List", "items": items}))


SERVICE, NAMESPACE = thing("Service", "logic"), thing("Namespace", "sentimesh", None)
PROXY = "--server http://127.0.0.1:8001"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake kubectl with three objects, one of them from another tool."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    foreign = thing("ConfigMap", "kube-root-ca.crt")
    listed(
        tmp_path / "objects.json", applied("VirtualService", "logic"), applied("Service", "logic"), foreign
    )
    listed(tmp_path / "namespaces.json", NAMESPACE)
    listed(tmp_path / "named.json", SERVICE, NAMESPACE)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setattr(MeshApi, "serves", lambda api, version, kind: False)
    monkeypatch.setattr(cluster, "await_pods", lambda api: None)
    monkeypatch.setattr(cluster, "await_pushes", lambda istio: None)
    monkeypatch.setattr(cluster, "await_drained", lambda api: None)
    return tmp_path


def stage() -> ClusterDeployer:
    url = "http://127.0.0.1:8001"
    return ClusterDeployer(MeshApi(url, "sentimesh"), MeshApi(url, "istio-system"))


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def removals(folder: Path) -> list[str]:
    before = f"{PROXY} delete --ignore-not-found "
    return [call.removeprefix(before) for call in calls(folder) if call.startswith(before)]


def test_objects_of_the_previous_overlay_only_are_deleted(folder: Path):
    """Objects that kubectl applied and the new overlay does not contain, through the same proxy."""
    stage().apply(Path("istio/overlays/canary"))

    assert calls(folder)[0] == f"{PROXY} apply --output json -k istio/overlays/canary"
    assert removals(folder) == ["--namespace sentimesh virtualservice.networking.istio.io/logic"]
    assert (folder / "kubeconfig").read_text().strip() == os.devnull


def test_objects_of_the_gateway_api_are_looked_for_where_the_cluster_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """A cluster without it does not know their kinds."""
    stage().save()
    monkeypatch.setattr(
        MeshApi, "serves", lambda api, *of: of == ("gateway.networking.k8s.io/v1", "httproutes")
    )
    stage().save()

    gets = [call for call in calls(folder) if "virtualservices" in call]
    assert ["httproutes.gateway.networking.k8s.io" in call for call in gets] == [False, True]


def test_objects_are_added_to_those_that_are_there(folder: Path):
    """Nothing is deleted, and objects without a namespace get the application's."""
    stage().add("kind: Service", "logic.yaml")

    (call,) = calls(folder)
    assert re.fullmatch(f"{PROXY} apply --output json --kubeconfig \\S+ -f -", call)
    assert '"context": {"namespace": "sentimesh"}' in (folder / "context").read_text()
    assert (folder / "stdin").read_text() == "kind: Service"


def test_objects_of_the_overlay_are_not_deleted(folder: Path):
    """Without surplus objects, there is no delete."""
    listed(folder / "named.json", SERVICE, thing("VirtualService", "logic"))

    stage().apply(Path("istio/overlays/canary"))

    assert removals(folder) == []


def test_objects_of_an_overlay_in_other_namespaces_are_deleted(folder: Path):
    """A new namespace with its objects, and a mesh-wide policy; but not objects that existed before."""
    listed(folder / "objects.json")
    listed(folder / "namespaces.json", NAMESPACE, thing("Namespace", "istio-system", None))
    ground = stage()
    ground.save()
    outside = (thing("Namespace", "outside", None), thing("Service", "judge", "outside"))
    listed(folder / "named.json", SERVICE, NAMESPACE, *outside, thing("Sidecar", "default", "istio-system"))
    ground.apply(Path("istio/overlays/egress"))
    assert removals(folder) == []

    listed(folder / "named.json", SERVICE, NAMESPACE)
    ground.apply(Path("istio/overlays/canary"))

    assert removals(folder) == [
        "namespace/outside",
        "--namespace istio-system sidecar.networking.istio.io/default",
        "--namespace outside service/judge",
    ]


def test_the_saved_configuration_is_restored(folder: Path):
    """The manifests that kubectl applied, and no objects of other tools."""
    ground = stage()
    ground.save()

    assert ground.restore() is True
    again = json.loads((folder / "stdin").read_text())["items"]
    assert {item["kind"] for item in again} == {"VirtualService", "Service"}
    assert all(set(item["metadata"]) == {"name", "namespace"} for item in again)


def test_an_empty_namespace_is_not_restored(folder: Path):
    """There is nothing to restore."""
    listed(folder / "objects.json")
    ground = stage()
    ground.save()

    assert ground.restore() is False


def test_an_error_of_kubectl_is_quoted(folder: Path):
    """With the command."""
    with pytest.raises(Refused, match=r"kubectl apply .*-k broken: error: it is broken"):
        stage().apply(Path("broken"))


def test_without_kubectl_nothing_can_be_applied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """One line with the reason."""
    monkeypatch.setattr(MeshApi, "serves", lambda api, version, kind: False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="kubectl, which applies overlays to a cluster, is not on the PATH"):
        stage().save()


@dataclass
class FakeCluster:
    """One Deployment and its pods, with the given states in turn."""

    namespace: str = "istio-system"
    deployments: list[dict] = field(default_factory=list)
    pod_lists: list[list[dict]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def objects(self, api_version: str, kind: str) -> tuple[dict, ...]:
        assert (api_version, kind) == ("apps/v1", "deployments")
        looks = self.deployments
        return (looks.pop(0) if len(looks) > 1 else looks[0],)

    def pods(self, **labels: str) -> list[dict]:
        return self.pod_lists.pop(0) if len(self.pod_lists) > 1 else self.pod_lists[0]

    def pod_text(self, pod: str, port: int, path: str) -> str:
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


def deployment(updated: int, *, generation: int = 2, observed: int = 2) -> dict:
    return {
        "metadata": {"name": "logic-v1", "generation": generation},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": observed,
            "replicas": 2,
            "updatedReplicas": updated,
            "availableReplicas": 2,
        },
    }


def pod(*, ready: bool = True, leaving: bool = False, phase: str = "Running") -> dict:
    metadata = {"name": "logic-v1-1"} | ({"deletionTimestamp": "now"} if leaving else {})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    containers = [{"name": "logic"}, {"name": "istio-proxy"}]
    status = {"phase": phase, "conditions": conditions}
    return {"metadata": metadata, "spec": {"containers": containers}, "status": status}


def test_a_deployment_is_rolled_out_when_all_its_pods_are_new():
    """And the controller has observed the change."""
    assert rolled_out(deployment(2))
    assert not rolled_out(deployment(1))
    assert not rolled_out(deployment(2, observed=1))


def test_new_pods_must_be_ready_and_old_pods_gone():
    """Neither unready nor terminating pods are part of the new configuration."""
    done = pod(ready=False, phase="Succeeded")
    looks = [[pod(ready=False)], [pod(), pod(leaving=True)], [pod(), done], [pod(), pod(leaving=True)]]
    api = FakeCluster(deployments=[deployment(1), deployment(2)], pod_lists=looks)

    await_pods(api)

    assert len(api.pod_lists) == 1


def test_a_pod_that_never_gets_ready_is_named(monkeypatch: pytest.MonkeyPatch):
    """After the timeout."""
    monkeypatch.setattr(rollout, "PODS_SECONDS", 0.0)

    with pytest.raises(Refused, match="still waiting for Deployment logic-v1, pod logic-v1-1"):
        await_pods(FakeCluster(deployments=[deployment(1)], pod_lists=[[pod(ready=False)]]))


def test_pushes_are_over_when_the_counters_of_istiod_stop(monkeypatch: pytest.MonkeyPatch):
    """While one of them changes, a push is in progress."""
    monkeypatch.setattr(rollout, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0.01)
    texts = [f'pilot_xds_pushes{{type="rds"}} {count}\n' for count in range(9)]
    istio = FakeCluster(pod_lists=[[pod()]], texts=texts)

    await_pushes(istio)

    assert istio.texts == ['pilot_xds_pushes{type="rds"} 8\n']


def test_old_listeners_must_be_drained(monkeypatch: pytest.MonkeyPatch):
    """Replaced listeners, and replaced filter chains."""
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0.01)
    gauges = [f"{gauge}{{}} 1\n" for gauge in rollout.DRAINING]
    api = FakeCluster(pod_lists=[[pod()]], texts=[*gauges, "", "the next proof's"])

    await_drained(api)

    assert api.texts == ["the next proof's"]


def test_a_namespace_without_istiod_is_named():
    """With the option for the namespace."""
    with pytest.raises(
        NotReachable, match="no istiod in namespace istio-system; pass its namespace with --istio-namespace"
    ):
        await_pushes(FakeCluster(pod_lists=[[]]))


def test_overlays_are_found_by_their_scenarios(tmp_path: Path):
    """All missing ones are named at once; faults are beside the scenarios."""
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "kustomization.yaml").touch()

    assert find_overlays(tmp_path, ["canary"]) == {"canary": tmp_path / "canary"}
    with pytest.raises(UsageError, match=rf"at {tmp_path}/shadow, {tmp_path.parent}/faults/uh$"):
        find_overlays(tmp_path, ["canary", "shadow", "faults/uh"])
    with pytest.raises(UsageError, match="--overlays"):
        find_overlays(tmp_path / "nowhere", ["canary"])


def test_a_cluster_keeps_its_own_settings(tmp_path: Path):
    """An overlay with mesh-wide settings has a folder without them."""
    for folder in ("canary", "ext-authz", "ext-authz/cluster"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kustomization.yaml").touch()

    found = find_overlays(tmp_path, ["canary", "ext-authz"], target="cluster")

    assert found == {"canary": tmp_path / "canary", "ext-authz": tmp_path / "ext-authz" / "cluster"}


@pytest.mark.parametrize(("scenario", "has"), [("canary", False), ("jwt", True), ("mtls-strict", True)])
def test_overlays_with_policies_are_detected(scenario: str, has: bool) -> None:
    """They are proven last, because requests at the end of a replaced listener are lost."""
    root = Path(__file__).parents[2]

    assert has_policies(root / "istio" / "overlays" / scenario) is has
