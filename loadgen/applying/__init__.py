"""Applying whole overlays, one after the other, and putting back what was in force before the first."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from loadgen.applying.cluster import ClusterStage
from loadgen.applying.localmesh import LocalStage
from loadgen.applying.overlays import find_overlays

__all__ = ["ClusterStage", "LocalStage", "Stage", "find_overlays"]


class Stage(Protocol):
    """A mesh on which overlays take turns."""

    def remember(self) -> None:
        """Note what is in force, to be put back in the end."""

    def apply(self, overlay: Path) -> None:
        """Make the overlay all that is in force; returns when every proxy has it. Refused if that fails."""

    def put_back(self) -> bool:
        """Make what was remembered all that is in force; false if that was nothing."""
