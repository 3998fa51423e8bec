"""Applies overlays to a local mesh, whose API answers when every proxy has acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.meshstate import MeshApi

TIMEOUT_SECONDS = 120.0
"""An overlay may start pods, and stop pods that are still busy."""
SETTINGS = "mesh-config.yaml"
"""The mesh-wide settings that an overlay needs; on a cluster they belong to Istio, and are not applied."""


@dataclass(slots=True)
class LocalmeshDeployer:
    """A running local mesh; the timeout of `api` must be `TIMEOUT_SECONDS` at least."""

    api: MeshApi
    _before: str = field(default="", init=False)

    def save(self) -> None:
        """Save all current objects."""
        self._before = str(self.api.document("/mesh/manifests")["text"])

    def apply(self, overlay: Path) -> None:
        """Replace the configuration by the overlay, and the mesh-wide settings if it has any."""
        request: dict[str, Any] = {"kustomizations": [str(overlay.resolve())]}
        settings = overlay / SETTINGS
        if settings.is_file():
            request["meshConfig"] = {"file": str(settings), "text": settings.read_text(encoding="utf-8")}
        self._send(request)

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
