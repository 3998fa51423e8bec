"""Modules of WasmPlugins and TrafficExtensions that do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localmesh.catalog import Catalog
from localmesh.kinds.extensions import TRAFFIC_EXTENSION, WASM_PLUGIN, module_path, modules
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import quoted


def extensions(catalog: Catalog) -> Iterator[Problem]:
    """Each file that is not there."""
    for resource in catalog.objects.of(WASM_PLUGIN, TRAFFIC_EXTENSION):
        for module in modules(resource.root):
            path = module_path(module.get("url").text or "")
            if not Path(path).is_file():
                yield module.get("url").problem(warnings.MISSING_MODULE, found=quoted(path))
