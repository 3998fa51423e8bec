"""Applies whole overlays, one after the other, and restores the initial configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from loadgen.deploy.cluster import ClusterDeployer
from loadgen.deploy.localmesh import TIMEOUT_SECONDS, LocalmeshDeployer
from loadgen.deploy.overlays import find_overlays
from loadgen.meshstate import MeshApi

__all__ = ["ClusterDeployer", "Deployer", "LocalmeshDeployer", "deployer_of", "find_overlays"]


class Deployer(Protocol):
    """A mesh to which overlays are applied."""

    def save(self) -> None:
        """Save the current configuration, for `restore`."""

    def apply(self, overlay: Path) -> None:
        """Replace the configuration by the overlay; returns when every proxy has it, or raises Refused."""

    def add(self, manifests: str, file: str) -> None:
        """Add or replace the objects of a file, and keep all others, as `kubectl apply -f` does."""

    def restore(self) -> bool:
        """Replace the configuration by the saved one; returns False if that was empty."""


def deployer_of(target: str, api: MeshApi, istio_namespace: str) -> Deployer:
    """The deployer for a target: localmesh or cluster."""
    if target == "cluster":
        return ClusterDeployer(api, api.in_namespace(istio_namespace))
    return LocalmeshDeployer(MeshApi(api.url, api.namespace, timeout_seconds=TIMEOUT_SECONDS))
