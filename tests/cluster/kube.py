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
"""All that overlays bring."""
_VOLUME = "sentimesh-test"
_FOLDER = "/var/tmp/sentimesh-test"
_READY_SECONDS = 240


class Kube:
    """The cluster of KUBECONFIG; what kubectl refuses fails the test with kubectl's words."""

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints."""
        finished = self.run(*arguments, given=given)
        assert finished.returncode == 0, f"kubectl {' '.join(arguments)}: {finished.stderr}"
        return finished.stdout

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """kubectl, however it ends."""
        return subprocess.run(
            ["kubectl", *arguments], input=given, capture_output=True, text=True, check=False
        )

    def apply(self, folder: Path) -> str:
        """Applies a kustomization; the warnings of the API server."""
        finished = self.run("apply", "-k", str(folder))
        assert finished.returncode == 0, finished.stderr
        return finished.stderr

    def in_namespace(self, *arguments: str) -> str:
        """What kubectl prints about the application's namespace."""
        return self("--namespace", NAMESPACE, *arguments)

    def wait_until_ready(self) -> None:
        """Until every Deployment and StatefulSet has all the pods it wants."""
        for each in self.in_namespace("get", "deployments,statefulsets", "--output=name").split():
            self.in_namespace("rollout", "status", each, f"--timeout={_READY_SECONDS}s")

    def pods(self, *labels: str) -> Sequence[Any]:
        """The application's pods with these labels, those that end left out."""
        chosen = ",".join(labels)
        found = json.loads(self.in_namespace("get", "pods", f"--selector={chosen}", "--output=json"))
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    def remove_application(self) -> None:
        """Until nothing of the application is left."""
        self("delete", "namespace", *NAMESPACES, "--ignore-not-found", f"--timeout={_READY_SECONDS}s")


@contextlib.contextmanager
def hand_made_volume(kube: Kube) -> Iterator[None]:
    """A volume for one claim, made by hand where no default StorageClass makes any (one node only)."""
    classes = json.loads(kube("get", "storageclasses", "--output=json"))["items"]
    if any("is-default-class" in str(each["metadata"].get("annotations")) for each in classes):
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
