"""Applies whole overlays, one after the other, and restores the initial configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from loadgen.deploy.cluster import ClusterDeployer
from loadgen.deploy.localmesh import LocalmeshDeployer
from loadgen.deploy.overlays import find_overlays

__all__ = ["ClusterDeployer", "Deployer", "LocalmeshDeployer", "find_overlays"]


class Deployer(Protocol):
    """A mesh to which overlays are applied."""

    def save(self) -> None:
        """Save the current configuration, for `restore`."""

    def apply(self, overlay: Path) -> None:
        """Replace the configuration by the overlay; returns when every proxy has it, or raises Refused."""

    def restore(self) -> bool:
        """Replace the configuration by the saved one; returns False if that was empty."""
