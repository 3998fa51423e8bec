"""explain predicts the answers of a real Istio that were recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from localmesh.explain import Explainer
from localmesh.manifests import load_text
from tests.conformance.behaviour.cases import BASE, Case, cases, recorded
from tests.conformance.behaviour.explaining import Predicted, predictions

CASES = cases()
LARGEST_SCORE = 4.5
"""The largest distance of a count from its prediction, in standard deviations; of a million, 7 exceed it."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_explain_predicts_the_recorded_answers(case: Case) -> None:
    """Status, text, time, attempts, headers and versions of every request are those of a real cluster."""
    text = BASE.read_text() + "".join(f"---\n{yaml.safe_dump(document)}" for document in case.documents)
    explainer = Explainer.of(load_text(text).resources)

    for request, there in zip(case.requests, recorded()["answers"][case.name], strict=True):
        predicted = predictions(explainer, request)
        distinct = [dict(each.answer) for each in predicted]

        assert all(distinct.count(answer) for answer in there["answers"]), (request, distinct)
        assert all(there["answers"].count(answer) for answer in distinct), (request, distinct)
        assert _is_consistent(there.get("versions"), predicted), (request, there, predicted)


def _is_consistent(counts: Any, predicted: list[Predicted]) -> bool:
    """Whether the versions that answered are those that are predicted, about as often."""
    shares = _shares(predicted)
    if not isinstance(counts, dict):  # only the number of versions, of those that share the answers
        return int(counts or 0) <= len(shares)
    total = sum(counts.values())
    return set(counts) <= set(shares) and all(
        abs(counts.get(version, 0) - total * share) <= LARGEST_SCORE * math.sqrt(total * share * (1 - share))
        for version, share in shares.items()
    )


def _shares(predicted: list[Predicted]) -> Mapping[str, float]:
    shares: dict[str, float] = {}
    for each in predicted:
        if each.version:
            shares[each.version] = shares.get(each.version, 0.0) + each.percent / 100
    return shares
