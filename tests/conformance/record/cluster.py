"""The cluster in KUBECONFIG, through kubectl and istioctl."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SYSTEM = "istio-system"
_GATEWAY_LABEL = "istio=ingressgateway"
_PATIENCE_SECONDS = 120
_PAUSE_SECONDS = 0.1


class ClusterError(Exception):
    """The cluster refused something, or did not reach an expected state in time."""


@dataclass(frozen=True, slots=True)
class ProxyPod:
    """A pod with an Envoy; `proxy` is its workload and namespace, as in localmesh."""

    name: str
    namespace: str
    proxy: str


def run(*command: str, text: str | None = None) -> str:
    """The output of a program. Raises ClusterError with its error output."""
    finished = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise ClusterError(f"{' '.join(command[:4])}: {finished.stderr.strip() or finished.stdout.strip()}")
    return finished.stdout


def kubectl(*arguments: str, text: str | None = None) -> str:
    """The output of kubectl."""
    return run("kubectl", *arguments, text=text)


def items(*arguments: str) -> list[Json]:
    """The objects that `kubectl get` returns."""
    objects: list[Json] = json.loads(kubectl("get", *arguments, "-o", "json"))["items"]
    return objects


def apply(objects: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Applies objects and returns them as the API server has stored them."""
    document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    if not document["items"]:
        return []
    printed = json.loads(kubectl("apply", "-f", "-", "-o", "json", text=json.dumps(document)))
    return printed["items"] if printed["kind"] == "List" else [printed]


def status_of(item: Mapping[str, Any]) -> Json:
    """The status of an object, empty where it has none."""
    metadata, group = item["metadata"], item["apiVersion"].partition("/")[0]
    namespace = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
    resource = f"{item['kind'].lower()}.{group}"
    text = kubectl("get", resource, metadata["name"], *namespace, "-o", "json")
    status: Json = json.loads(text).get("status") or {}
    return status


def delete(objects: Iterable[Mapping[str, Any]]) -> None:
    """Deletes objects and waits until they are gone."""
    references = [
        {key: item[key] for key in ("apiVersion", "kind")} | {"metadata": _key(item)} for item in objects
    ]
    if references:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": references})
        kubectl("delete", "--ignore-not-found", "--wait", "-f", "-", text=text)


def _key(item: Mapping[str, Any]) -> Json:
    return {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}


def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for a condition and returns its first true result. Raises ClusterError after two minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(_PAUSE_SECONDS)
    raise ClusterError(f"waited {_PATIENCE_SECONDS} s for {what}")


def istiod(path: str) -> Any:
    """The answer of istiod at a debug path."""
    return json.loads(
        kubectl("-n", SYSTEM, "exec", "deployment/istiod", "--", "pilot-discovery", "request", "GET", path)
    )


def istio_version() -> str:
    """The version of the control plane, or the tag of its image if it was built without a version."""
    mesh = json.loads(run("istioctl", "version", "-o", "json")).get("meshVersion") or []
    version = mesh[0]["Info"]["version"] if mesh else "unknown"
    if version != "unknown":
        return str(version)
    (deployment,) = items("deployment", "-n", SYSTEM, "-l", "app=istiod")
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.rpartition(":")[2]


def proxy_pods(namespaces: Iterable[str]) -> list[ProxyPod]:
    """One pod of each workload with a sidecar, and the pod of the ingress gateway."""
    gateways = items("pods", "-n", SYSTEM, "-l", _GATEWAY_LABEL)
    pods = [
        ProxyPod(gateway["metadata"]["name"], SYSTEM, f"istio-ingressgateway.{SYSTEM}")
        for gateway in gateways[:1]
    ]
    for namespace in sorted(namespaces):
        by_proxy: dict[str, str] = {}
        for pod in items("pods", "-n", namespace):
            if any(container["name"] == "istio-proxy" for container in _containers(pod)):
                by_proxy.setdefault(f"{workload_of(pod)}.{namespace}", pod["metadata"]["name"])
        pods += [ProxyPod(name, namespace, proxy) for proxy, name in by_proxy.items()]
    return pods


def _containers(pod: Json) -> Iterator[Json]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def workload_of(pod: Json) -> str:
    """The Deployment that a pod belongs to."""
    metadata = pod["metadata"]
    return str(metadata["generateName"]).removesuffix(f"-{metadata['labels']['pod-template-hash']}-")


def configuration(pod: ProxyPod) -> Json:
    """The complete configuration of a proxy."""
    dump: Json = json.loads(
        run("istioctl", "proxy-config", "all", pod.name, "-n", pod.namespace, "-o", "json")
    )
    return dump
