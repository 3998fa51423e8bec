"""Overlays on a cluster: kubectl applies them and removes what only the one before had.

`kubectl apply` leaves alone what an overlay does not name, so the policy of one scenario would be in force in
the next. Removed is, in the application's namespace, what kubectl had applied (it leaves its manifest in an
annotation), of the kinds that overlays are made of; elsewhere, what the overlay before had brought. The
annotations also say what was in force before the first overlay, and are applied again in the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
        for kind in ("gateways", "virtualservices", "destinationrules", "serviceentries", "sidecars")
    ),
    *(
        f"{kind}.security.istio.io"
        for kind in ("peerauthentications", "requestauthentications", "authorizationpolicies")
    ),
    "telemetries.telemetry.istio.io",
)
MANIFEST = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL_SECONDS = 120


Key = tuple[str, str]
"""Namespace (empty for what belongs to none), and the name that kubectl takes: deployment.apps/logic-v1."""


@dataclass(slots=True)
class ClusterDeployer:
    """A cluster behind `kubectl proxy`; kubectl itself goes through the same proxy."""

    api: MeshApi
    istio: MeshApi
    _before: dict[Key, str] = field(default_factory=dict, init=False)
    _namespaces: set[Key] = field(default_factory=set, init=False)
    _brought: set[Key] = field(default_factory=set, init=False)

    def remember(self) -> None:
        """Note the manifests of all that kubectl has applied, and which namespaces there are."""
        self._before = self._applied()
        self._namespaces = {_key(item) for item in self._objects("get", "namespaces")}

    def apply(self, overlay: Path) -> None:
        """Make the overlay all that is in force, and wait for pods and proxies."""
        self._become("-k", str(overlay))

    def put_back(self) -> bool:
        """Make what was remembered all that is in force; what stands in an empty namespace is left there."""
        if self._before:
            items = ",".join(self._before.values())
            self._become("-f", "-", stdin=f'{{"apiVersion": "v1", "kind": "List", "items": [{items}]}}')
        return bool(self._before)

    def _become(self, *source: str, stdin: str | None = None) -> None:
        named = {_key(item) for item in self._objects("apply", *source, stdin=stdin)}
        brought = {key for key in named if key[0] != self.api.namespace} - self._namespaces
        self._remove((self._applied().keys() | self._brought) - named)
        self._brought = brought
        for namespace in sorted({self.api.namespace, *(key[0] for key in brought)} - {""}):
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
        """The manifest of each object of the application's namespace that kubectl has applied."""
        items = self._objects("get", "--namespace", self.api.namespace, ",".join(KINDS))
        notes = {_key(item): item["metadata"].get("annotations", {}) for item in items}
        return {key: each[MANIFEST] for key, each in notes.items() if MANIFEST in each}

    def _objects(self, command: str, *arguments: str, stdin: str | None = None) -> list[Mapping[str, Any]]:
        """The objects that kubectl prints: a list, or a single one."""
        found = json.loads(self._kubectl(command, "--output", "json", *arguments, stdin=stdin))
        return list(found["items"]) if found["kind"] == "List" else [found]

    def _kubectl(self, command: str, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints; Refused with what it says where it fails."""
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise UsageError("overlays are applied to a cluster by kubectl, which is not on the PATH")
        # The proxy has the credentials; a kubeconfig might lead to another cluster than the proxy does.
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
            raise NotReachable(f"kubectl {command} has not ended within {KUBECTL_SECONDS} s") from error
        if finished.returncode:
            raise Refused(f"kubectl {command} {' '.join(arguments)}: {finished.stderr.strip()}")
        return finished.stdout


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
