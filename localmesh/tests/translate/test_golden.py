"""Each case is an input with an expected output; its head says which part of the output is compared.

`make golden` rewrites the outputs: read the difference before committing it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.manifests import load
from localmesh.translate.from_manifests import proxy_config
from localmesh.xds.config_dump import config_dump

CASES = Path(__file__).parent / "cases"
MESH = CASES / "_mesh.yaml"
GOLDEN = ".golden.yaml"
INPUTS = sorted(path for path in CASES.glob("*.yaml") if not path.name.endswith(GOLDEN) and path != MESH)


def shown(case: Path) -> Any:
    """The part of the output that `# show: WORKLOAD PART [NAME [VIRTUAL HOST]]` in the head selects."""
    line = next(line for line in case.read_text().splitlines() if line.startswith("# show: "))
    workload, part, *names = line.removeprefix("# show: ").split()
    config = config_dump(proxy_config(load(files=[MESH, case]).resources, workload))
    selected: Any = config[part]
    for name in names:
        items = selected["virtualHosts"] if isinstance(selected, Mapping) else selected
        by_name = {item.get("name") or item["clusterName"]: item for item in items}
        assert name in by_name, f"{name} is not among {sorted(by_name)}"
        selected = by_name[name]
    return selected


@pytest.mark.parametrize("case", INPUTS, ids=[path.stem for path in INPUTS])
def test_translation_of_a_case_is_golden(case: Path, update_golden: bool) -> None:
    """A case is translated to exactly the content of its golden file."""
    expected_file = case.with_name(case.stem + GOLDEN)

    actual = yaml.safe_dump(shown(case), sort_keys=False, width=110)

    if update_golden:
        expected_file.write_text(actual)
    expected = expected_file.read_text() if expected_file.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual")
    )
    assert actual == expected, f"{difference}\n\nIf the change is intended: make golden"


def test_every_golden_file_has_a_case(update_golden: bool) -> None:
    """A golden file without a case is never compared."""
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
