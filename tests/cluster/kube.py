"""A real cluster, driven by kubectl."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

NAMESPACE = "sentimesh"
NAMESPACES = (NAMESPACE, "outside")
"""The namespaces that overlays create."""
_VOLUME = "sentimesh-test"
_FOLDER = "/var/tmp/sentimesh-test"
_READY_SECONDS = 240


class Kube:
    """The cluster of KUBECONFIG; a failure of kubectl fails the test with its error output."""

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl, which must succeed; return its output."""
        finished = self.run(*arguments, given=given)
        assert finished.returncode == 0, f"kubectl {' '.join(arguments)}: {finished.stderr}"
        return finished.stdout

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever its exit status."""
        return subprocess.run(
            ["kubectl", *arguments], input=given, capture_output=True, text=True, check=False
        )

    def apply(self, folder: Path) -> str:
        """Apply a kustomization; return the warnings of the API server."""
        finished = self.run("apply", "-k", str(folder))
        assert finished.returncode == 0, finished.stderr
        return finished.stderr

    def in_namespace(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl in the application's namespace; return its output."""
        return self("--namespace", NAMESPACE, *arguments, given=given)

    def wait_until_ready(self) -> None:
        """Wait until every Deployment and StatefulSet has all its replicas."""
        for workload in self.in_namespace("get", "deployments,statefulsets", "--output=name").split():
            self.in_namespace("rollout", "status", workload, f"--timeout={_READY_SECONDS}s")

    def pods(self, *labels: str) -> Sequence[Any]:
        """The application's pods with these labels, except those that are terminating."""
        selector = ",".join(labels)
        listed = json.loads(self.in_namespace("get", "pods", f"--selector={selector}", "--output=json"))
        return [pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def remove_application(self) -> None:
        """Delete the application's namespaces and wait until they are gone."""
        self("delete", "namespace", *NAMESPACES, "--ignore-not-found", f"--timeout={_READY_SECONDS}s")


@contextlib.contextmanager
def manual_volume(kube: Kube) -> Iterator[None]:
    """A volume for one claim if there is no default StorageClass; for clusters with one node."""
    classes = json.loads(kube("get", "storageclasses", "--output=json"))["items"]
    if any(
        "is-default-class" in str(storage_class["metadata"].get("annotations")) for storage_class in classes
    ):
        yield
        return
    _on_the_node(kube, f"mkdir -p /host{_FOLDER} && chmod 1777 /host{_FOLDER}")
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _VOLUME},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": _FOLDER},
        },
    }
    kube("apply", "--filename=-", given=json.dumps(volume))
    try:
        yield
    finally:
        kube("delete", "persistentvolume", _VOLUME)
        _on_the_node(kube, f"rm -rf /host{_FOLDER}")


def _on_the_node(kube: Kube, script: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _VOLUME, "namespace": "default"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "shell",
                    "image": "sentimesh/feedback",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", script],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": [{"name": "host", "mountPath": "/host/var/tmp"}],
                }
            ],
            "volumes": [{"name": "host", "hostPath": {"path": "/var/tmp"}}],
        },
    }
    kube("apply", "--filename=-", given=json.dumps(pod))
    kube("wait", "pod", _VOLUME, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    kube("delete", "pod", _VOLUME)
