"""The translation cache does not change anything that is compared with Istio."""

from __future__ import annotations

import random

import pytest

from localmesh.tests.translate.applied import Applied
from tests.conformance.case import cases

pytestmark = pytest.mark.xdist_group("overlays")  # shares the loaded cases


def test_each_case_is_translated_as_if_it_were_the_first() -> None:
    """One after another, in an order unrelated to their meshes; without the overlays, which are slow."""
    applied = Applied()
    quick = [case for case in cases() if "/" not in case.mesh]

    for case in random.Random(0).sample(quick, len(quick)):
        applied.apply(case.resources())

        assert applied.cached() == applied.from_scratch(), case.name
