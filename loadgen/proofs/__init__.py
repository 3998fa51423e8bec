"""One module for each scenario, named like its overlay (with _ for -), holding its `PROOF`.

A new scenario is a new file here: it is found by looking into this folder.
"""

from __future__ import annotations

import importlib
import pkgutil

from loadgen.proofs.common.proof import Proof


def proofs() -> dict[str, Proof]:
    """All proofs there are, by scenario, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    found: list[Proof] = [module.PROOF for module in modules]
    return {proof.scenario: proof for proof in found}
