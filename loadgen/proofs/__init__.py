"""One module for each scenario, named like its overlay (with _ for -), with its `PROOF`.

To add a proof, add a file: it is found here by its place.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from loadgen.proofs.common.proof import Proof


def proofs() -> dict[str, Proof[Any, Any]]:
    """All proofs by scenario, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    all_proofs: list[Proof[Any, Any]] = [module.PROOF for module in modules]
    return {proof.scenario: proof for proof in all_proofs}
