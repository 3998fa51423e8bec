"""Finding the overlays: one folder for each scenario, with a kustomization in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from loadgen.errors import UsageError

KUSTOMIZATION = "kustomization.yaml"
FOLDER = Path("istio/overlays")


def find_overlays(folder: Path, scenarios: Iterable[str]) -> dict[str, Path]:
    """The overlay of each scenario; UsageError names all that have none."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder: run this at the root of the repository, or say with --overlays where "
            "the overlays are"
        )
    found = {scenario: folder / scenario for scenario in scenarios}
    missing = [name for name, overlay in found.items() if not (overlay / KUSTOMIZATION).is_file()]
    if missing:
        raise UsageError(
            f"{folder} has no overlay (a folder with a {KUSTOMIZATION}) for {', '.join(missing)}"
        )
    return found
