"""Records the answers of the cluster in KUBECONFIG to the requests of all cases.

    python -m tests.conformance.behaviour.record

Requires kubectl and istioctl, an image `python:3.13-slim`, and in GATEWAY_URL the address of the ingress
gateway. All objects are in a separate namespace, which is deleted at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from localmesh import stub
from tests.conformance.behaviour.cases import ANSWERS, BASE, NAMESPACE, Case, cases
from tests.conformance.behaviour.sending import answers
from tests.conformance.invalid.record import versions

Json = dict[str, Any]
_SERVER = Path(stub.__file__).with_name("server.py")
_TIMEOUT_SECONDS = 120
# In a pod, the stub must listen on the pod's address.
_LISTEN_ON_ALL_ADDRESSES = (
    "import runpy, socket; create = socket.create_server; "
    "socket.create_server = lambda address, **options: create(('', address[1]), **options); "
    "runpy.run_path('/stub/server.py', run_name='__main__')"
)


def main() -> None:
    """Records all cases."""
    gateway, wanted = os.environ["GATEWAY_URL"].rstrip("/"), cases()
    try:
        _set_up()
        recorded = {case.name: _recorded(case, gateway) for case in wanted}
    finally:
        _kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    text = yaml.safe_dump({"versions": versions(), "answers": recorded}, width=110, sort_keys=False)
    ANSWERS.write_text(text, encoding="utf-8")
    print(f"{len(recorded)} cases recorded from {versions()}")  # noqa: T201 - the output of the command


def _set_up() -> None:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"istio-injection": "enabled"}},
    }
    program = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "stub", "namespace": NAMESPACE},
        "data": {"server.py": _SERVER.read_text(encoding="utf-8")},
    }
    base = [_in_a_pod(document) for document in yaml.safe_load_all(BASE.read_text(encoding="utf-8"))]
    _apply([namespace, program, *base])
    timeout = f"--timeout={_TIMEOUT_SECONDS}s"
    _kubectl("wait", "-n", NAMESPACE, "--for=condition=Available", "deployment", "--all", timeout)


def _in_a_pod(document: Json) -> Json:
    """A Deployment that runs the stub's program in place of a stub's Deployment."""
    if document["kind"] != "Deployment":
        return document
    template = document["spec"]["template"]
    labels, container = template["metadata"]["labels"], template["spec"]["containers"][0]
    ports = {str(port["containerPort"]): port["containerPort"] for port in container["ports"]}
    identity = {"workload": document["metadata"]["name"], "version": labels["version"], "ports": ports}
    container |= {
        "image": "python:3.13-slim",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _LISTEN_ON_ALL_ADDRESSES, json.dumps(identity)],
        "volumeMounts": [{"name": "stub", "mountPath": "/stub"}],
    }
    template["spec"]["volumes"] = [{"name": "stub", "configMap": {"name": "stub"}}]
    return document


def _recorded(case: Case, gateway: str) -> list[Json]:
    mark = f"{case.name}-{time.time_ns()}"
    documents = [*case.documents, _marking(mark)]
    _apply(documents)
    _wait_for(mark, gateway)
    recorded = asyncio.run(answers(gateway, case.requests))
    names = [f"{document['kind'].lower()}/{document['metadata']['name']}" for document in documents]
    _kubectl("delete", "-n", NAMESPACE, *names)
    return recorded


def _marking(mark: str) -> Json:
    """A route that shows which case is applied, at the gateway and in every sidecar."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "mark", "namespace": NAMESPACE},
        "spec": {
            "hosts": ["mark.example.com"],
            "gateways": ["edge", "mesh"],
            "http": [{"directResponse": {"status": 200, "body": {"string": mark}}}],
        },
    }


def _wait_for(mark: str, gateway: str) -> None:
    """Waits until the gateway and the client have the mark and every proxy is synced."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not (_at_gateway(mark, gateway) and _at_client(mark) and _synced()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all proxies have {mark} after {_TIMEOUT_SECONDS} s")
        time.sleep(0.5)


def _at_gateway(mark: str, gateway: str) -> bool:
    request = urllib.request.Request(gateway, headers={"Host": "mark.example.com"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return mark in answer.read().decode()
    except (urllib.error.URLError, OSError):
        return False


def _at_client(mark: str) -> bool:
    routes = _run(
        "istioctl", "proxy-config", "routes", f"deploy/client.{NAMESPACE}", "--name", "80", "-o", "json"
    )
    return mark in routes


def _synced() -> bool:
    return not any(state in _run("istioctl", "proxy-status") for state in ("STALE", "NOT SENT (", "ERROR"))


def _apply(documents: Iterable[Json]) -> None:
    text = "---\n".join(yaml.safe_dump(document) for document in documents)
    subprocess.run(
        ["kubectl", "apply", "-f", "-"], input=text, text=True, check=True, stdout=subprocess.DEVNULL
    )


def _kubectl(*arguments: str) -> str:
    return _run("kubectl", *arguments)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
