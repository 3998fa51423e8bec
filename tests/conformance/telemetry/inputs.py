"""The cases of Telemetry objects: files of objects that are added to the mesh `shop` and a gateway."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from localmesh.manifests import Resource, load
from tests.conformance.case import MESHES

_FOLDER = Path(__file__).parent
CASES = _FOLDER / "cases"
RECORDED = ".istio.yaml"


class TelemetryCase(NamedTuple):
    """One case; `recorded` is what Istio makes of its `input`."""

    input: Path

    @property
    def name(self) -> str:
        """The name of the case, such as `telemetry/metrics-tags`."""
        return f"telemetry/{self.input.stem}"

    @property
    def recorded(self) -> Path:
        """The file with what Istio's proxies report."""
        return self.input.with_name(f"{self.input.stem}{RECORDED}")

    def resources(self) -> tuple[Resource, ...]:
        """All objects of the case."""
        return _resources(self)


@cache
def _resources(case: TelemetryCase) -> tuple[Resource, ...]:
    return load(files=[MESHES / "shop.yaml", _FOLDER / "gateway.yaml", case.input]).resources


@cache
def telemetry_cases() -> tuple[TelemetryCase, ...]:
    """All cases, by name."""
    return tuple(
        TelemetryCase(path) for path in sorted(CASES.glob("*.yaml")) if not path.name.endswith(RECORDED)
    )
