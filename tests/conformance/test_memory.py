"""What localmesh remembers of earlier translations changes nothing of what is compared with Istio."""

from __future__ import annotations

import random

from localmesh.tests.translate.applied import Applied
from tests.conformance.case import cases


def test_every_case_is_as_if_it_had_been_the_first() -> None:
    """One after another, in an order that has nothing to do with their meshes; but for the slow overlays."""
    applied = Applied()
    quick = [case for case in cases() if "/" not in case.mesh]

    for case in random.Random(0).sample(quick, len(quick)):
        applied.apply(case.resources())

        assert applied.remembered() == applied.fresh(), case.name
