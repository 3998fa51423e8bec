"""A namespace for each trainee on one mesh: the application and its ingress gateway, without collisions.

Two VirtualServices for the same gateway and host would be merged, so that one trainee's rules would decide
for all. Therefore each namespace has a gateway of its own, which only its own Gateway selects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loadgen.errors import UsageError
from loadgen.mesh_options import NAMESPACE
from loadgen.meshstate.resources import Object

GATEWAY = Path(__file__).with_name("gateway")
SHARED_SELECTOR = "istio: ingressgateway"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = "istio"


def kustomization(start: Path, namespace: str, folder: Path) -> Object:
    """The kustomization that puts `start` and a gateway into a namespace; it is to be written to `folder`."""
    if not _NAME.fullmatch(namespace):
        raise UsageError(f'"{namespace}" is not a name of a namespace')
    resources = [os.path.relpath(path.resolve(), folder.resolve()) for path in (start, GATEWAY)]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": resources,
        "replacements": [
            {"source": {"kind": "Namespace", "fieldPath": "metadata.name"}, "targets": list(_targets())}
        ],
    }


def write(start: Path, namespace: str, folder: Path) -> None:
    """Write that kustomization, and its folder if it does not exist."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(kustomization(start, namespace, folder), sort_keys=False)
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")


@contextmanager
def in_namespace(start: Path, namespace: str) -> Iterator[Path]:
    """The kustomization of a start in this namespace: itself in the application's, else a temporary one."""
    if namespace == NAMESPACE:
        yield start
        return
    with TemporaryDirectory(prefix="workshop-") as folder:
        write(start, namespace, Path(folder))
        yield Path(folder)


def with_own_gateway(manifests: str, namespace: str) -> str:
    """Manifests for a namespace, whose Gateways select its own gateway."""
    return (
        manifests if namespace == NAMESPACE else manifests.replace(SHARED_SELECTOR, f"{_LABEL}: {namespace}")
    )


def _targets() -> Iterator[dict[str, Any]]:
    """Every place of the label that connects a Gateway with the pods of the gateway."""
    yield _target({"group": "networking.istio.io", "kind": "Gateway"}, "spec.selector")
    yield _target({"kind": "Service", "name": "gateway"}, "spec.selector")
    yield _target(
        {"kind": "Deployment", "name": "gateway"},
        "spec.selector.matchLabels",
        "spec.template.metadata.labels",
    )


def _target(select: dict[str, str], *labels: str) -> dict[str, Any]:
    return {"select": select, "fieldPaths": [f"{path}.{_LABEL}" for path in labels]}
