"""k8s/verify/start.py, against a fake API server: it exits as the deployed loadgen does."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import ssl
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from loadgen.meshstate import MeshApi
from loadgen.tests.authority import write_authority
from loadgen.tests.servers import Received, answer, json_answer, read_request, serving
from tests.live import ROOT

NAMESPACE = "sentimesh-verify"
CRON = f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/loadgen"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
TEMPLATE = {"spec": {"containers": [{"name": "loadgen", "image": "loadgen:built", "args": ["prove"]}]}}


@dataclass
class Cluster:
    """A fake API server that reports these states of the pod in order; the last one remains."""

    states: list[dict[str, Any]]
    may_change: bool = True
    changes_before_the_log: int = 0
    received: list[Received] = field(default_factory=list)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        self.received.append(request)
        while request.path.endswith("/log?follow=true") and len(self.changes()) < self.changes_before_the_log:
            await asyncio.sleep(0.005)
        writer.write(self._answer(request))
        await writer.drain()

    def _answer(self, request: Received) -> bytes:
        if request.path == CRON:
            return json_answer(200, {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}})
        if request.path == JOBS:
            return json_answer(201, {"metadata": {"name": "loadgen-x"}})
        if request.method == "PATCH":
            return json_answer(200 if self.may_change else 403, {})
        if request.path == f"{PODS}/loadgen-x-1/log?follow=true":
            return answer(200, b"canary  PASS\n")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        pod = {"metadata": {"name": "loadgen-x-1"}, "status": {"containerStatuses": [{"state": state}]}}
        return json_answer(200, {"items": [pod]})

    def changes(self) -> list[Received]:
        """The patches of the script's own pod."""
        return [
            request
            for request in self.received
            if (request.method, request.path) == ("PATCH", f"{PODS}/verify-1")
        ]

    def created(self) -> dict[str, Any]:
        """The Job that the script created."""
        (request,) = (request for request in self.received if request.method == "POST")
        job: dict[str, Any] = json.loads(request.body)
        return job


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a pod."""
    write_authority(tmp_path / "ca.crt", tmp_path / "key.pem")
    (tmp_path / "token").write_text("token")
    (tmp_path / "namespace").write_text(NAMESPACE)
    spec = importlib.util.spec_from_file_location("start", ROOT / "k8s" / "verify" / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "TOUCH_SECONDS", 0.01)
    monkeypatch.setenv("POD_NAME", "verify-1")
    monkeypatch.setenv("POD_UID", "uid-1")
    return module


@pytest.fixture
def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run(cluster, *arguments)`: the exit status of the script."""

    def run_with(cluster: Cluster, *arguments: str) -> int:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(script.FOLDER / "ca.crt", script.FOLDER / "key.pem")
        with serving(cluster.connection, tls) as url:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(urlsplit(url).hostname))
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(urlsplit(url).port))
            return int(script.main(list(arguments)))

    return run_with


@pytest.mark.parametrize("status", [0, 1, 3])
def test_it_exits_as_loadgen_does(status: int, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With the log and the exit status of loadgen."""
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    cluster = Cluster([waiting, {"running": {}}, {"running": {}}, {"terminated": {"exitCode": status}}])

    assert run(cluster, "prove", "canary") == status
    assert capsys.readouterr().out == "canary  PASS\n"


def test_the_job_has_the_template_of_the_cronjob_with_other_arguments(run: Any) -> None:
    """It is owned by the pod that started it, and deleted with it."""
    cluster = Cluster([{"terminated": {"exitCode": 0}}])

    run(cluster, "prove", "shadow")

    job = cluster.created()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["args"]) == ("loadgen:built", ["prove", "shadow"])
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"]) == ("verify-1", "uid-1")
    assert all(request.headers["authorization"] == "Bearer token" for request in cluster.received)


def test_an_image_that_cannot_be_pulled_ends_it(run: Any) -> None:
    """With the reason, instead of waiting forever."""
    cluster = Cluster([{"waiting": {"reason": "ErrImagePull", "message": "no such image"}}])

    with pytest.raises(SystemExit, match="loadgen does not start: ErrImagePull: no such image"):
        run(cluster, "prove", "canary")


def test_it_patches_its_pod_while_it_runs(run: Any) -> None:
    """skaffold would interpret the end of a watch without events as success."""
    cluster = Cluster([{"running": {}}, {"terminated": {"exitCode": 1}}], changes_before_the_log=5)

    assert run(cluster, "prove", "canary") == 1

    annotations = [json.loads(change.body)["metadata"]["annotations"] for change in cluster.changes()]
    assert len(annotations) >= 5
    assert all(before != after for before, after in pairwise(annotations))
    assert {change.headers["content-type"] for change in cluster.changes()} == {
        "application/merge-patch+json"
    }


def test_it_does_not_start_if_it_may_not_patch_its_pod(run: Any) -> None:
    """With the Role of another version of the manifests, its verdict could be lost."""
    cluster = Cluster([{"terminated": {"exitCode": 0}}], may_change=False)

    with pytest.raises(SystemExit, match=f"the API answers 403 to {PODS}/verify-1"):
        run(cluster, "prove", "canary")


def test_its_role_allows_exactly_its_requests(run: Any) -> None:
    """The Role of its ServiceAccount allows its requests and no others."""
    cluster = Cluster([{"running": {}}, {"terminated": {"exitCode": 0}}])

    run(cluster, "prove", "canary")

    role = _role("start")
    allowed = {
        (verb, resource) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    assert {_right(request) for request in cluster.received} == allowed


def test_a_proof_is_allowed_to_list_what_proofs_read() -> None:
    """The Role of the deployed loadgen names every kind of resource in the snapshot, and no other."""
    api = ListedKinds("http://api.example", "sentimesh")

    api.resources()

    allowed = {
        (group, resource)
        for rule in _role("prove")["rules"]
        if "list" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert api.listed - allowed == set(), "add these to the Role `prove` in k8s/verify/rights.yaml"
    assert allowed - api.listed == set(), "remove these from the Role `prove` in k8s/verify/rights.yaml"


class ListedKinds(MeshApi):
    """Records the group and plural of each kind that is listed; there are no objects."""

    def __init__(self, url: str, namespace: str) -> None:
        super().__init__(url, namespace)
        self.listed: set[tuple[str, str]] = set()

    def serves(self, api_version: str, kind: str) -> bool:
        del api_version, kind
        return True

    def objects(self, api_version: str, kind: str, query: str = "") -> tuple[Any, ...]:
        del query
        self.listed.add((api_version.rpartition("/")[0], kind))
        return ()


def _role(name: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / "k8s" / "verify" / "rights.yaml").read_text())
    (role,) = (
        document
        for document in documents
        if document["kind"] == "Role" and document["metadata"]["name"] == name
    )
    return dict(role)


def _right(request: Received) -> tuple[str, str]:
    """The verb and the resource of a request, as a Role names them."""
    parts = request.path.partition("?")[0].partition(f"/{NAMESPACE}/")[2].split("/")
    verbs = {"POST": "create", "PATCH": "patch", "GET": "get" if len(parts) > 1 else "list"}
    return verbs[request.method], "/".join([parts[0], *parts[2:]])
