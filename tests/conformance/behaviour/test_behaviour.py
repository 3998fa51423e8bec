"""localmesh answers the same requests as a real cluster did, which was recorded."""

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
"""The largest difference of two shares in standard deviations; 7 in a million equal pairs exceed it."""


@pytest.fixture(scope="module")
def local_answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Answer]]:
    """The answers of localmesh to each case, applied in turn to one mesh."""
    return asyncio.run(_answers(tmp_path_factory.mktemp("behaviour")))


async def _answers(folder: Path) -> dict[str, list[Answer]]:
    by_case: dict[str, list[Answer]] = {}
    async with Mesh(MeshSettings(folder / "state", folder)) as mesh:
        for case in CASES:
            text = BASE.read_text() + "".join(
                f"---\n{yaml.safe_dump(document)}" for document in case.documents
            )
            loaded = load_text(text)
            await mesh.apply(loaded.resources, loaded.ignored)
            gateway = next(iter(mesh.gateways.values())).proxy.listen[8080]
            by_case[case.name] = await answers(f"http://{gateway}", case.requests)
    return by_case


@pytest.mark.mesh
@pytest.mark.xdist_group("behaviour")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_localmesh_answers_like_the_cluster(case: Any, local_answers: Mapping[str, list[Answer]]) -> None:
    """Status, text, time, attempts, headers and what the application received; versions by their shares."""
    for request, there, here in zip(
        case.requests, recorded()["answers"][case.name], local_answers[case.name], strict=True
    ):
        assert here["answers"] == there["answers"], request
        assert _is_same_distribution(there.get("versions"), here.get("versions")), (request, there, here)


def _is_same_distribution(there: Any, here: Any) -> bool:
    """Whether two counts of versions are consistent with the same distribution."""
    if not isinstance(there, dict) or not isinstance(here, dict):
        return bool(there == here)
    one, other = sum(there.values()), sum(here.values())
    return there.keys() == here.keys() and all(
        abs(_score(there[version] / one, here[version] / other, one, other)) <= LARGEST_SCORE
        for version in there
    )


def _score(share: float, another: float, of: int, of_another: int) -> float:
    """The difference of two shares of samples with these sizes, in standard deviations."""
    common = (share * of + another * of_another) / (of + of_another)
    deviation = math.sqrt(common * (1 - common) * (1 / of + 1 / of_another))
    return (share - another) / deviation if deviation else 0.0


def test_every_case_has_an_answer_and_every_answer_a_case() -> None:
    """At least 15 cases."""
    assert {case.name for case in CASES} == set(recorded()["answers"])
    assert len(CASES) >= 15


def test_different_shares_are_distinguished() -> None:
    """80/20 and 50/50 of 200 requests are different."""
    assert _is_same_distribution({"v1": 160, "v2": 40}, {"v1": 155, "v2": 45})
    assert not _is_same_distribution({"v1": 160, "v2": 40}, {"v1": 100, "v2": 100})
