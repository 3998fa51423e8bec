"""Overlays on a cluster: what kubectl is told, what is removed, and when what was applied is in force."""

from __future__ import annotations

import json
import os
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
       cat "$FOLDER/named.json" ;;
esac
"""


def thing(kind: str, name: str, namespace: str | None = "sentimesh") -> dict[str, Any]:
    """An object as a manifest has it; the group of its API follows from its kind."""
    istio = {"VirtualService", "Sidecar"}
    where = {} if namespace is None else {"namespace": namespace}
    api_version = "networking.istio.io/v1" if kind in istio else "v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where}}


def applied(kind: str, name: str) -> dict[str, Any]:
    """An object as it stands in a cluster after `kubectl apply`."""
    manifest = thing(kind, name)
    notes = {cluster.MANIFEST: json.dumps(manifest)}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": notes, "resourceVersion": "7"}}


def listed(file: Path, *items: dict[str, Any]) -> None:
    """What kubectl is to print from now on."""
    file.write_text(json.dumps({"kind": "List", "items": items}))


SERVICE, NAMESPACE = thing("Service", "logic"), thing("Namespace", "sentimesh", None)
PROXY = "--server http://127.0.0.1:8001"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that plays a cluster with three objects, one of them made by somebody else."""
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


def test_what_only_the_overlay_before_had_is_removed(folder: Path):
    """Of what kubectl applied, what the new overlay does not name; through the proxy that is asked, too."""
    stage().apply(Path("istio/overlays/canary"))

    assert calls(folder)[0] == f"{PROXY} apply --output json -k istio/overlays/canary"
    assert removals(folder) == ["--namespace sentimesh virtualservice.networking.istio.io/logic"]
    assert (folder / "kubeconfig").read_text().strip() == os.devnull


def test_nothing_is_removed_that_the_overlay_names(folder: Path):
    """Then no delete is sent at all."""
    listed(folder / "named.json", SERVICE, thing("VirtualService", "logic"))

    stage().apply(Path("istio/overlays/canary"))

    assert removals(folder) == []


def test_what_an_overlay_brings_elsewhere_goes_with_it(folder: Path):
    """A namespace of its own with what is in it, and a policy for the whole mesh; not what was there."""
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


def test_what_was_applied_before_is_applied_again(folder: Path):
    """The manifests that kubectl left, and nothing that somebody else made."""
    ground = stage()
    ground.save()

    assert ground.restore() is True
    again = json.loads((folder / "stdin").read_text())["items"]
    assert {item["kind"] for item in again} == {"VirtualService", "Service"}
    assert all(set(item["metadata"]) == {"name", "namespace"} for item in again)


def test_an_empty_namespace_is_not_put_back(folder: Path):
    """There is nothing to put back."""
    listed(folder / "objects.json")
    ground = stage()
    ground.save()

    assert ground.restore() is False


def test_what_kubectl_refuses_is_said_in_its_words(folder: Path):
    """Together with the command."""
    with pytest.raises(Refused, match=r"kubectl apply .*-k broken: error: it is broken"):
        stage().apply(Path("broken"))


def test_without_kubectl_nothing_can_be_applied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """One line that says so."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="kubectl, which applies overlays to a cluster, is not on the PATH"):
        stage().save()


@dataclass
class FakeCluster:
    """One Deployment and its pods, which are what they are said to be at one look after the other."""

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
    """And the controller has seen the change at all."""
    assert rolled_out(deployment(2))
    assert not rolled_out(deployment(1))
    assert not rolled_out(deployment(2, observed=1))


def test_pods_are_waited_for_and_old_ones_until_they_are_gone():
    """Neither one that is not ready nor one that is about to leave belongs to what is in force."""
    done = pod(ready=False, phase="Succeeded")
    looks = [[pod(ready=False)], [pod(), pod(leaving=True)], [pod(), done], [pod(), pod(leaving=True)]]
    api = FakeCluster(deployments=[deployment(1), deployment(2)], pod_lists=looks)

    await_pods(api)

    assert len(api.pod_lists) == 1


def test_what_never_gets_ready_is_named(monkeypatch: pytest.MonkeyPatch):
    """After a while."""
    monkeypatch.setattr(rollout, "PODS_SECONDS", 0.0)

    with pytest.raises(Refused, match="still waiting for Deployment logic-v1, pod logic-v1-1"):
        await_pods(FakeCluster(deployments=[deployment(1)], pod_lists=[[pod(ready=False)]]))


def test_pushes_are_over_when_istiods_counters_stand_still(monkeypatch: pytest.MonkeyPatch):
    """As long as one of them moves, something is on its way."""
    monkeypatch.setattr(rollout, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0.01)
    texts = [f'pilot_xds_pushes{{type="rds"}} {count}\n' for count in range(9)]
    istio = FakeCluster(pod_lists=[[pod()]], texts=texts)

    await_pushes(istio)

    assert istio.texts == ['pilot_xds_pushes{type="rds"} 8\n']


def test_old_listeners_are_waited_for_until_the_last_connection_is_gone(monkeypatch: pytest.MonkeyPatch):
    """Whole ones, and filter chains of one that stays."""
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0.01)
    gauges = [f"{gauge}{{}} 1\n" for gauge in rollout.DRAINING]
    api = FakeCluster(pod_lists=[[pod()]], texts=[*gauges, "", "the next proof's"])

    await_drained(api)

    assert api.texts == ["the next proof's"]


def test_a_namespace_without_istiod_is_named():
    """With the option that says where it is."""
    with pytest.raises(
        NotReachable, match="no istiod in namespace istio-system; pass its namespace with --istio-namespace"
    ):
        await_pushes(FakeCluster(pod_lists=[[]]))


def test_overlays_are_found_by_their_scenarios(tmp_path: Path):
    """All that are missing are named at once."""
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "kustomization.yaml").touch()

    assert find_overlays(tmp_path, ["canary"]) == {"canary": tmp_path / "canary"}
    with pytest.raises(UsageError, match="for shadow, retry"):
        find_overlays(tmp_path, ["canary", "shadow", "retry"])
    with pytest.raises(UsageError, match="--overlays"):
        find_overlays(tmp_path / "nowhere", ["canary"])


@pytest.mark.parametrize(("scenario", "has"), [("canary", False), ("jwt", True), ("mtls-strict", True)])
def test_overlays_with_policies_are_known(scenario: str, has: bool) -> None:
    """Those are proven last: what meets the end of a listener that they replaced is lost."""
    root = Path(__file__).parents[2]

    assert has_policies(root / "istio" / "overlays" / scenario) is has
