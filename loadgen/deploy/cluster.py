"""Applies overlays to a cluster with kubectl, and deletes objects that only the previous overlay had.

`kubectl apply` keeps objects that an overlay does not contain, so the policy of one scenario would still
apply in the next. In the application's namespace, this module deletes the objects that kubectl has applied
(their manifest is in an annotation), of the kinds that overlays contain; in other namespaces, those of the
previous overlay. The annotations also contain the initial configuration, which `restore` applies again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from loadgen.deploy.rollout import await_drained, await_pods, await_pushes
from loadgen.errors import NotReachable, Refused, UsageError
from loadgen.meshstate import MeshApi

KINDS = (
    "configmaps",
    "services",
    "serviceaccounts",
    "deployments.apps",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io",
    *(
        f"{kind}.networking.istio.io"
        for kind in (
            "gateways",
            "virtualservices",
            "destinationrules",
            "serviceentries",
            "sidecars",
            "envoyfilters",
        )
    ),
    *(
        f"{kind}.security.istio.io"
        for kind in ("peerauthentications", "requestauthentications", "authorizationpolicies")
    ),
    "telemetries.telemetry.istio.io",
)
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_API_KINDS = tuple(f"{kind}.{GATEWAY_API}" for kind in ("gateways", "httproutes"))
"""For clusters that have them."""
MANIFEST = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL_SECONDS = 120


Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and the name for kubectl, such as deployment.apps/logic-v1."""


@dataclass(slots=True)
class ClusterDeployer:
    """A cluster behind `kubectl proxy`; kubectl itself uses the same proxy."""

    api: MeshApi
    istio: MeshApi
    _before: dict[Key, str] = field(default_factory=dict, init=False)
    _namespaces: set[Key] = field(default_factory=set, init=False)
    _brought: set[Key] = field(default_factory=set, init=False)

    def save(self) -> None:
        """Save the manifests of all objects that kubectl has applied, and the existing namespaces."""
        self._before = self._applied()
        self._namespaces = {_key(item) for item in self._objects("get", "namespaces")}

    def apply(self, overlay: Path) -> None:
        """Replace the configuration by the overlay, and wait for pods and proxies."""
        self._replace("-k", str(overlay))

    def add(self, manifests: str, file: str) -> None:  # noqa: ARG002 (kubectl names the object)
        """Apply the objects of a file; those that name no namespace are the application's."""
        with _kubeconfig(self.api.namespace) as kubeconfig:
            self._objects("apply", "--kubeconfig", kubeconfig, "-f", "-", stdin=manifests)
        self._await({self.api.namespace})

    def restore(self) -> bool:
        """Replace the configuration by the saved one; if that was empty, keep the current one."""
        if self._before:
            items = ",".join(self._before.values())
            self._replace("-f", "-", stdin=f'{{"apiVersion": "v1", "kind": "List", "items": [{items}]}}')
        return bool(self._before)

    def _replace(self, *source: str, stdin: str | None = None) -> None:
        named = {_key(item) for item in self._objects("apply", *source, stdin=stdin)}
        brought = {key for key in named if key[0] != self.api.namespace} - self._namespaces
        self._remove((self._applied().keys() | self._brought) - named)
        self._brought = brought
        self._await({self.api.namespace, *(key[0] for key in brought)} - {""})

    def _await(self, namespaces: set[str]) -> None:
        for namespace in sorted(namespaces):
            await_pods(MeshApi(self.api.url, namespace))
        await_pushes(self.istio)
        await_drained(self.api)

    def _remove(self, surplus: set[Key]) -> None:
        for namespace in sorted({key[0] for key in surplus}):
            where = ("--namespace", namespace) if namespace else ()
            self._kubectl(
                "delete",
                "--ignore-not-found",
                *where,
                *sorted(name for of, name in surplus if of == namespace),
            )

    def _applied(self) -> dict[Key, str]:
        """The manifests of the objects in the application's namespace that kubectl has applied."""
        served = self.api.serves(f"{GATEWAY_API}/v1", "httproutes")
        kinds = (*KINDS, *(GATEWAY_API_KINDS if served else ()))
        items = self._objects("get", "--namespace", self.api.namespace, ",".join(kinds))
        notes = {_key(item): item["metadata"].get("annotations", {}) for item in items}
        return {key: annotations[MANIFEST] for key, annotations in notes.items() if MANIFEST in annotations}

    def _objects(self, command: str, *arguments: str, stdin: str | None = None) -> list[Mapping[str, Any]]:
        """The objects that kubectl prints: a list, or a single one."""
        document = json.loads(self._kubectl(command, "--output", "json", *arguments, stdin=stdin))
        return list(document["items"]) if document["kind"] == "List" else [document]

    def _kubectl(self, command: str, *arguments: str, stdin: str | None = None) -> str:
        """The output of kubectl; raises Refused with its error message."""
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise UsageError("kubectl, which applies overlays to a cluster, is not on the PATH; install it")
        # The proxy has the credentials; a kubeconfig could point to another cluster than the proxy.
        environment = {**os.environ, "KUBECONFIG": os.devnull}
        try:
            finished = subprocess.run(
                [kubectl, "--server", self.api.url, command, *arguments],
                input=stdin,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=KUBECTL_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise NotReachable(f"kubectl {command} did not finish within {KUBECTL_SECONDS} s") from error
        if finished.returncode:
            raise Refused(f"kubectl {command} {' '.join(arguments)}: {finished.stderr.strip()}")
        return finished.stdout


@contextmanager
def _kubeconfig(namespace: str) -> Iterator[str]:
    """A kubeconfig with this namespace; with `--namespace`, kubectl refuses objects that name another one."""
    context = {"name": "mesh", "context": {"namespace": namespace}}
    content = {"apiVersion": "v1", "kind": "Config", "contexts": [context], "current-context": "mesh"}
    with NamedTemporaryFile("w", encoding="utf-8", prefix="kubeconfig-") as file:
        json.dump(content, file)
        file.flush()
        yield file.name


def _key(item: Mapping[str, Any]) -> Key:
    """An object's key.

    >>> _key({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "a", "name": "b"}})
    ('a', 'deployment.apps/b')
    """
    group = str(item["apiVersion"]).rpartition("/")[0]
    kind = str(item["kind"]).lower()
    metadata = item["metadata"]
    name = f"{kind}.{group}/{metadata['name']}" if group else f"{kind}/{metadata['name']}"
    return str(metadata.get("namespace", "")), name
