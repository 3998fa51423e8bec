"""Finding the overlays: one folder for each scenario, with a kustomization in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from loadgen.errors import UsageError

KUSTOMIZATION = "kustomization.yaml"
FOLDER = Path("istio/overlays")
_POLICIES = "apiVersion: security.istio.io/"


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


def has_policies(overlay: Path) -> bool:
    """Whether applying an overlay, or another after it, has proxies replace listeners.

    A proxy closes the connections of a replaced listener 45 s later (Istio's default `drainDuration`), and a
    request that comes just then is lost: 503. Proofs that allow for no loss had better not run then.
    """
    return any(_POLICIES in file.read_text(encoding="utf-8") for file in overlay.rglob("*.yaml"))
