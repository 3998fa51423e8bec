"""Overlays on a local mesh: its own apply, which returns when every proxy has acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.meshstate import MeshApi

TIMEOUT_SECONDS = 120.0
"""An overlay may bring pods, and take some away that still have work."""


@dataclass(slots=True)
class LocalmeshDeployer:
    """A running local mesh; its `api` has to have the patience for `TIMEOUT_SECONDS`."""

    api: MeshApi
    _before: str = field(default="", init=False)

    def remember(self) -> None:
        """Note all objects in force."""
        self._before = str(self.api.document("/mesh/manifests")["text"])

    def apply(self, overlay: Path) -> None:
        """Make the overlay all that is in force."""
        self._send({"kustomizations": [str(overlay.resolve())]})

    def put_back(self) -> bool:
        """Make what was remembered all that is in force."""
        if self._before:
            self._send({"text": self._before, "file": "what was in force before"})
        return bool(self._before)

    def _send(self, order: dict[str, Any]) -> None:
        self.api.send("POST", "/mesh/apply", order)
