"""Each case is one input and one expected output; the case says in its head what of the output it shows.

`make golden` writes the outputs anew: read the difference before committing it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.explain.from_manifests import proxy_config
from localmesh.manifests import load
from localmesh.xds.config_dump import config_dump

CASES = Path(__file__).parent / "cases"
MESH = CASES / "_mesh.yaml"
GOLDEN = ".golden.yaml"
INPUTS = sorted(path for path in CASES.glob("*.yaml") if not path.name.endswith(GOLDEN) and path != MESH)


def shown(case: Path) -> Any:
    """What `# show: WORKLOAD PART [NAME [VIRTUAL HOST]]` in the head of a case picks from its output."""
    line = next(line for line in case.read_text().splitlines() if line.startswith("# show: "))
    workload, part, *names = line.removeprefix("# show: ").split()
    config = config_dump(proxy_config(load(files=[MESH, case]).resources, workload))
    found: Any = config[part]
    for name in names:
        items = found["virtualHosts"] if isinstance(found, Mapping) else found
        by_name = {item.get("name") or item["clusterName"]: item for item in items}
        assert name in by_name, f"{name} is not among {sorted(by_name)}"
        found = by_name[name]
    return found


@pytest.mark.parametrize("case", INPUTS, ids=[path.stem for path in INPUTS])
def test_translation_of_a_case_is_golden(case: Path, update_golden: bool) -> None:
    """A case translates to exactly what its golden file says."""
    expected_file = case.with_name(case.stem + GOLDEN)

    actual = yaml.safe_dump(shown(case), sort_keys=False, width=110)

    if update_golden:
        expected_file.write_text(actual)
    expected = expected_file.read_text() if expected_file.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual")
    )
    assert actual == expected, f"{difference}\n\nIf this is meant: make golden"


def test_every_golden_file_has_a_case(update_golden: bool) -> None:
    """A golden file without a case would be compared with nothing."""
    cases = {case.stem for case in INPUTS}
    orphans = [path for path in CASES.glob(f"*{GOLDEN}") if path.name.removesuffix(GOLDEN) not in cases]

    if update_golden:
        for orphan in orphans:
            orphan.unlink()
        orphans = []

    assert orphans == []


@pytest.mark.parametrize("case", INPUTS, ids=[path.stem for path in INPUTS])
def test_a_case_is_short_enough_to_read(case: Path) -> None:
    """Inputs stay below 70 lines."""
    assert len(case.read_text().splitlines()) < 70
