"""Applies overlays to a local mesh, whose API answers when every proxy has acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.meshstate import MeshApi

TIMEOUT_SECONDS = 120.0
"""An overlay may start pods, and stop pods that are still busy."""


@dataclass(slots=True)
class LocalmeshDeployer:
    """A running local mesh; the timeout of `api` must be `TIMEOUT_SECONDS` at least."""

    api: MeshApi
    _before: str = field(default="", init=False)

    def save(self) -> None:
        """Save all current objects."""
        self._before = str(self.api.document("/mesh/manifests")["text"])

    def apply(self, overlay: Path) -> None:
        """Replace the configuration by the overlay."""
        self._send({"kustomizations": [str(overlay.resolve())]})

    def add(self, manifests: str, file: str) -> None:
        """Add or replace the objects of a file; those that name no namespace are the application's."""
        texts = [{"file": file, "text": manifests}]
        self._send({"texts": texts, "merge": True, "namespace": self.api.namespace})

    def restore(self) -> bool:
        """Replace the configuration by the saved one."""
        if self._before:
            self._send({"text": self._before, "file": "the saved configuration"})
        return bool(self._before)

    def _send(self, request: dict[str, Any]) -> None:
        self.api.send("POST", "/mesh/apply", request)
