"""Applying whole overlays, one after the other, and putting back what was in force before the first."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from loadgen.deploy.cluster import ClusterDeployer
from loadgen.deploy.localmesh import LocalmeshDeployer
from loadgen.deploy.overlays import find_overlays

__all__ = ["ClusterDeployer", "Deployer", "LocalmeshDeployer", "find_overlays"]


class Deployer(Protocol):
    """A mesh on which overlays take turns."""

    def remember(self) -> None:
        """Note what is in force, to be put back in the end."""

    def apply(self, overlay: Path) -> None:
        """Make the overlay all that is in force; returns when every proxy has it. Refused if that fails."""

    def put_back(self) -> bool:
        """Make what was remembered all that is in force; false if that was nothing."""
