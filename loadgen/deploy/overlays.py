"""Finds the overlays: one folder per scenario, with a kustomization."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from loadgen.errors import UsageError

KUSTOMIZATION = "kustomization.yaml"
FOLDER = Path("istio/overlays")
CLUSTER = "cluster"
_POLICIES = "apiVersion: security.istio.io/"


def find_overlays(folder: Path, scenarios: Iterable[str], *, target: str = "localmesh") -> dict[str, Path]:
    """The overlay of each scenario or fault; raises a UsageError that names all without one.

    The name of a fault is a path that starts beside the folder of the overlays, such as `faults/uh`. An
    overlay that has a part for the mesh itself has a folder `cluster` without that.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: run this at the root of the repository, or pass the folder of the "
            "overlays with --overlays"
        )
    overlays = {name: (folder.parent if "/" in name else folder) / name for name in scenarios}
    if target == CLUSTER:
        own = {scenario: overlay / CLUSTER for scenario, overlay in overlays.items()}
        overlays |= {scenario: path for scenario, path in own.items() if (path / KUSTOMIZATION).is_file()}
    missing = [str(overlay) for overlay in overlays.values() if not (overlay / KUSTOMIZATION).is_file()]
    if missing:
        raise UsageError(f"there is no overlay (a folder with a {KUSTOMIZATION}) at {', '.join(missing)}")
    return overlays


def has_policies(overlay: Path) -> bool:
    """Whether proxies replace listeners when this overlay is applied or removed.

    A proxy closes the connections of a replaced listener after 45 s (Istio's default `drainDuration`), and a
    request at that moment is lost with a 503. Proofs that tolerate no loss should not run then.
    """
    return any(_POLICIES in file.read_text(encoding="utf-8") for file in overlay.rglob("*.yaml"))
