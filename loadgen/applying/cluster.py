"""Overlays on a cluster: kubectl applies them and removes what only the one before had.

`kubectl apply` leaves alone what an overlay does not name, so the policy of one scenario would be in force in
the next. Removed is only what kubectl had applied (it leaves its manifest in an annotation), of the kinds
that overlays are made of, in the application's namespace. The same annotations say what was in force before
the first overlay, and are applied again in the end.
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

from loadgen.applying.rollout import await_pods, await_pushes
from loadgen.errors import NotReachable, Refused, UsageError
from loadgen.inforce import MeshApi

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


@dataclass(slots=True)
class ClusterStage:
    """A cluster behind `kubectl proxy`; kubectl itself goes through the same proxy."""

    api: MeshApi
    istio: MeshApi
    _before: list[str] = field(default_factory=list, init=False)

    def remember(self) -> None:
        """Note the manifests of all that kubectl has applied."""
        self._before = list(self._applied().values())

    def apply(self, overlay: Path) -> None:
        """Make the overlay all that is in force, and wait for pods and proxies."""
        self._become("-k", str(overlay))

    def put_back(self) -> bool:
        """Make what was remembered all that is in force; what stands in an empty namespace is left there."""
        if self._before:
            items = ",".join(self._before)
            self._become("-f", "-", stdin=f'{{"apiVersion": "v1", "kind": "List", "items": [{items}]}}')
        return bool(self._before)

    def _become(self, *source: str, stdin: str | None = None) -> None:
        named = set(self._kubectl("apply", "-o", "name", *source, stdin=stdin).split())
        surplus = sorted(self._applied().keys() - named)
        if surplus:
            self._kubectl("delete", "--namespace", self.api.namespace, *surplus)
        await_pods(self.api)
        await_pushes(self.istio)

    def _applied(self) -> dict[str, str]:
        """The manifest of each object that kubectl has applied, by its name as kubectl prints it."""
        kinds = ",".join(KINDS)
        found = json.loads(self._kubectl("get", "--namespace", self.api.namespace, "--output", "json", kinds))
        items = {_name(item): item["metadata"].get("annotations", {}) for item in found["items"]}
        return {name: notes[MANIFEST] for name, notes in items.items() if MANIFEST in notes}

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


def _name(item: Mapping[str, Any]) -> str:
    """An object's name as `kubectl --output name` prints it.

    >>> _name({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "logic-v1"}})
    'deployment.apps/logic-v1'
    """
    group = str(item["apiVersion"]).rpartition("/")[0]
    kind = str(item["kind"]).lower()
    return f"{kind}.{group}/{item['metadata']['name']}" if group else f"{kind}/{item['metadata']['name']}"
