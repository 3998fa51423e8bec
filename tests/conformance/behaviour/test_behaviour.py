"""The same requests through a real cluster, recorded, and through localmesh: the answers are the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from tests.conformance.behaviour.cases import BASE, cases, recorded
from tests.conformance.behaviour.sending import Answer, answers

CASES = cases()
LARGEST_SCORE = 4.5
"""Standard deviations by which two shares may differ: seven in a million right pairs differ by more."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Answer]]:
    """What localmesh answers to each case: one mesh, into which they are applied in turn."""
    return asyncio.run(_found(tmp_path_factory.mktemp("behaviour")))


async def _found(folder: Path) -> dict[str, list[Answer]]:
    out: dict[str, list[Answer]] = {}
    async with Mesh(MeshSettings(folder / "state", folder)) as mesh:
        for case in CASES:
            text = BASE.read_text() + "".join(f"---\n{yaml.safe_dump(each)}" for each in case.documents)
            loaded = load_text(text)
            await mesh.apply(loaded.resources, loaded.ignored)
            gateway = next(iter(mesh.gateways.values())).proxy.listen[8080]
            out[case.name] = await answers(f"http://{gateway}", case.requests)
    return out


@pytest.mark.mesh
@pytest.mark.xdist_group("behaviour")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_localmesh_answers_as_the_cluster_did(case: Any, found: Mapping[str, list[Answer]]) -> None:
    """Status, text, time, attempts, headers and what the application saw; the versions by their shares."""
    for request, there, here in zip(
        case.requests, recorded()["answers"][case.name], found[case.name], strict=True
    ):
        assert here["answers"] == there["answers"], request
        assert _alike(there.get("versions"), here.get("versions")), (request, there, here)


def _alike(there: Any, here: Any) -> bool:
    """Whether two counts of versions may be of one distribution."""
    if not isinstance(there, dict) or not isinstance(here, dict):
        return bool(there == here)
    one, other = sum(there.values()), sum(here.values())
    return there.keys() == here.keys() and all(
        abs(_score(there[each] / one, here[each] / other, one, other)) <= LARGEST_SCORE for each in there
    )


def _score(share: float, another: float, of: int, of_another: int) -> float:
    """By how many standard deviations two shares of so many each differ."""
    common = (share * of + another * of_another) / (of + of_another)
    deviation = math.sqrt(common * (1 - common) * (1 / of + 1 / of_another))
    return (share - another) / deviation if deviation else 0.0


def test_every_case_has_an_answer_and_every_answer_a_case() -> None:
    """Fifteen and more; nothing is left over."""
    assert {case.name for case in CASES} == set(recorded()["answers"])
    assert len(CASES) >= 15


def test_shares_that_differ_are_told_apart() -> None:
    """80/20 and 50/50 of 200 requests each are not taken for one."""
    assert _alike({"v1": 160, "v2": 40}, {"v1": 155, "v2": 45})
    assert not _alike({"v1": 160, "v2": 40}, {"v1": 100, "v2": 100})
