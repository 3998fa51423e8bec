"""Cases: folders with an input and the recorded output of Istio.

The first line of an `input.yaml` says what the case is about. A line `# on: MESH` names what the input is
added to: a file of `meshes/`, or a folder that kustomize builds. The default is the mesh `shop`.

Every overlay of a scenario is a case without an input: its folder is `cases/overlay-NAME`. An overlay that
has not been recorded yet is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from localmesh.manifests import Resource, load
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import loaded

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CASES = HERE / "cases"
MESHES = HERE / "meshes"

_ON = "# on: "
_BASE = "istio/base"
_OVERLAYS = "istio/overlays"
_BASELINES = {_OVERLAYS: "overlay-base"}


@dataclass(frozen=True, slots=True)
class Case:
    """One input, on top of a mesh; or an overlay without further input."""

    folder: Path
    overlay: str = ""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def input(self) -> Path:
        """The manifests of the case."""
        return self.folder / "input.yaml"

    @property
    def recorded(self) -> Path:
        """The recorded output of Istio."""
        return self.folder / "istio.yaml"

    @property
    def title(self) -> str:
        """What the case is about, in one line."""
        if self.overlay:
            page = ROOT / self.mesh / "README.md"
            return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        return self._head()[0].removeprefix("# ")

    @property
    def mesh(self) -> str:
        """What the input is added to."""
        if self.overlay:
            return f"{_OVERLAYS}/{self.overlay}"
        return next((line.removeprefix(_ON) for line in self._head() if line.startswith(_ON)), "shop")

    @property
    def baseline(self) -> str | None:
        """The case of the mesh alone; None for such a case itself."""
        folder = self.mesh.rpartition("/")[0]
        name = _BASELINES.get(folder, "overlay-base" if self.mesh == _BASE else f"mesh-{self.mesh}")
        return None if name == self.name else name

    def resources(self) -> tuple[Resource, ...]:
        """All objects of the case and of its mesh. Raises ManifestError."""
        return _resources(self)

    @property
    def is_compared(self) -> bool:
        """False for a case that has not been recorded yet, for which a cluster is required."""
        return self.recorded.exists()

    def _head(self) -> list[str]:
        lines = self.input.read_text(encoding="utf-8").splitlines()
        return [line for line in lines[:3] if line.startswith("# ")]


@cache
def _resources(case: Case) -> tuple[Resource, ...]:
    if case.overlay:
        return loaded(ROOT / case.mesh).resources
    if (ROOT / case.mesh / "kustomization.yaml").exists():
        return load(kustomizations=[ROOT / case.mesh], files=[case.input]).resources
    return load(files=[MESHES / f"{case.mesh}.yaml", case.input]).resources


@cache
def cases() -> tuple[Case, ...]:
    """All cases; those of a mesh alone come before those that add to it."""
    inputs = [Case(path.parent) for path in CASES.glob("*/input.yaml")]
    overlays = [Case(CASES / f"overlay-{name}", name) for name in _overlay_names()]
    return tuple(sorted([*inputs, *overlays], key=_position))


def _overlay_names() -> set[str]:
    """The scenarios, that is all overlays except those for other controllers."""
    return {path.parent.name for path in (ROOT / _OVERLAYS).glob("*/kustomization.yaml")} - FOR_CONTROLLERS


@cache
def compared_cases() -> tuple[Case, ...]:
    """The cases that have been recorded."""
    return tuple(case for case in cases() if case.is_compared)


def unrecorded_cases() -> tuple[Case, ...]:
    """The cases that are not compared."""
    return tuple(case for case in cases() if not case.is_compared)


def _position(case: Case) -> tuple[bool, str, str]:
    """The sort key: cases of one mesh are neighbours, so that the recorder keeps its pods."""
    return "/" in case.mesh, case.baseline or case.name, "" if case.baseline is None else case.name


def named(name: str) -> Case:
    """The case with that name. Raises LookupError."""
    return matching(name)[0]


def matching(pattern: str) -> list[Case]:
    """The cases whose names match a shell pattern. Raises LookupError if there are none."""
    matches = [case for case in cases() if fnmatchcase(case.name, pattern)]
    if not matches:
        raise LookupError(f'there is no case "{pattern}" in {CASES.relative_to(ROOT)}')
    return matches
