"""The lists of all scenarios that are derived from the folders of the overlays.

`make golden` adds to them what is new, and removes what is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT

TABLE_PAGE = ROOT / "docs" / "scenarios.md"
SKAFFOLD = ROOT / "skaffold.yaml"

_OVERLAYS = ROOT / "istio" / "overlays"
_TABLE_HEAD = "| scenario | shows |\n|---|---|\n"
_ROW = re.compile(r"^\| \[([a-z0-9-]+)\]", flags=re.MULTILINE)
_PROFILES = "\nprofiles:\n"
_OTHER_PROFILES = "\n  # For controllers"
_PROFILE_NAME = re.compile(r"  - name: (\S+)\n")


def scenarios() -> list[str]:
    """The names of all overlays except those for other controllers."""
    return sorted(path.parent.name for path in _OVERLAYS.glob("*/kustomization.yaml") if _is_scenario(path))


def _is_scenario(path: Path) -> bool:
    return path.parent.name not in FOR_CONTROLLERS


def with_table(text: str, names: Iterable[str]) -> str:
    """The page with a row for each scenario: in the order of the page, then the new ones."""
    before, head, rest = text.partition(_TABLE_HEAD)
    table, _, after = rest.partition("\n\n")
    names = set(names)
    listed = [name for name in _ROW.findall(table) if name in names]
    rows = [_row(name) for name in (*listed, *sorted(names - set(listed)))]
    return before + head + "\n".join(rows) + "\n\n" + after


def _row(name: str) -> str:
    heading = (_OVERLAYS / name / "README.md").read_text().splitlines()[0]
    return f"| [{name}](../istio/overlays/{name}/README.md) | {heading.partition(': ')[2]} |"


def with_profiles(text: str, names: Iterable[str]) -> str:
    """skaffold.yaml with a profile for each scenario; those that are there keep what they say."""
    before, _, rest = text.partition(_PROFILES)
    profiles, _, after = rest.partition(_OTHER_PROFILES)
    written = {name[1]: block for block in profiles.split("\n\n") if (name := _PROFILE_NAME.match(block))}
    blocks = [written.get(name, _profile(name)).rstrip("\n") for name in sorted(names)]
    return before + _PROFILES + "\n\n".join(blocks) + "\n" + _OTHER_PROFILES + after


def profile_names(text: str) -> set[str]:
    """The names of all profiles, those of scenarios and others."""
    return set(_PROFILE_NAME.findall(text.partition(_PROFILES)[2]))


def _profile(name: str) -> str:
    gateway = "http://istio-ingressgateway.istio-system"
    return f"""\
  - name: {name}
    patches:
      - {{op: replace, path: /manifests/kustomize/paths/0, value: istio/overlays/{name}}}
      - op: replace
        path: /verify/0/container/args
        value: [prove, {name}, --target, cluster, --gateway, "{gateway}"]
"""
