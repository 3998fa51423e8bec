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
    """The cluster refused something or never came to a state that was waited for."""


@dataclass(frozen=True, slots=True)
class ProxyPod:
    """A pod with an Envoy in it; `proxy` is its workload and namespace, as localmesh names it."""

    name: str
    namespace: str
    proxy: str


def run(*command: str, text: str | None = None) -> str:
    """What a program prints. Raises ClusterError with what it complains of."""
    finished = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise ClusterError(f"{' '.join(command[:4])}: {finished.stderr.strip() or finished.stdout.strip()}")
    return finished.stdout


def kubectl(*arguments: str, text: str | None = None) -> str:
    """What kubectl prints."""
    return run("kubectl", *arguments, text=text)


def items(*arguments: str) -> list[Json]:
    """The objects that `kubectl get` finds."""
    found: list[Json] = json.loads(kubectl("get", *arguments, "-o", "json"))["items"]
    return found


def apply(objects: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Applies objects and gives them back as the API server has them now."""
    document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    if not document["items"]:
        return []
    printed = json.loads(kubectl("apply", "-f", "-", "-o", "json", text=json.dumps(document)))
    return printed["items"] if printed["kind"] == "List" else [printed]


def delete(objects: Iterable[Mapping[str, Any]]) -> None:
    """Deletes objects and waits until they are gone."""
    named = [
        {key: each[key] for key in ("apiVersion", "kind")} | {"metadata": _key(each)} for each in objects
    ]
    if named:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": named})
        kubectl("delete", "--ignore-not-found", "--wait", "-f", "-", text=text)


def _key(item: Mapping[str, Any]) -> Json:
    return {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}


def until(condition: Callable[[], Any], what: str) -> Any:
    """What a condition gives as soon as it gives something. Raises ClusterError after two minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(_PAUSE_SECONDS)
    raise ClusterError(f"waited {_PATIENCE_SECONDS} s for {what}")


def istiod(path: str) -> Any:
    """What istiod answers at one of its debug paths."""
    return json.loads(
        kubectl("-n", SYSTEM, "exec", "deployment/istiod", "--", "pilot-discovery", "request", "GET", path)
    )


def istio_version() -> str:
    """The version of the control plane; where it was built without one, the tag of its image."""
    mesh = json.loads(run("istioctl", "version", "-o", "json")).get("meshVersion") or []
    version = mesh[0]["Info"]["version"] if mesh else "unknown"
    if version != "unknown":
        return str(version)
    (deployment,) = items("deployment", "-n", SYSTEM, "-l", "app=istiod")
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.rpartition(":")[2]


def proxy_pods(namespaces: Iterable[str]) -> list[ProxyPod]:
    """One pod of each workload with a sidecar, and the ingress gateway's."""
    gateways = items("pods", "-n", SYSTEM, "-l", _GATEWAY_LABEL)
    found = {f"istio-ingressgateway.{SYSTEM}": gateways[0]["metadata"]["name"]} if gateways else {}
    pods = [ProxyPod(name, SYSTEM, proxy) for proxy, name in found.items()]
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
    """The Deployment that a pod is of."""
    metadata = pod["metadata"]
    return str(metadata["generateName"]).removesuffix(f"-{metadata['labels']['pod-template-hash']}-")


def configuration(pod: ProxyPod) -> Json:
    """Everything that a proxy was told."""
    found: Json = json.loads(
        run("istioctl", "proxy-config", "all", pod.name, "-n", pod.namespace, "-o", "json")
    )
    return found
