"""localmesh says what Istio says: recorded from a real Istio, compared field by field."""

from __future__ import annotations

import pytest

from tests.conformance.case import CASES, ROOT, Case, cases
from tests.conformance.compare import differences
from tests.conformance.deviations import deviations, unexplained
from tests.conformance.fields import REFUSED_BY_ISTIO, fates, uses
from tests.conformance.page import PAGE, page
from tests.conformance.recorded import read
from tests.kustomize_builds import FOR_CONTROLLERS

pytestmark = pytest.mark.xdist_group("conformance")

LEAST_CASES = 80


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_localmesh_says_what_istio_says(case: Case) -> None:
    """Every field of every proxy is as Istio has it, or its deviation is written down."""
    unexpected = unexplained(differences(case))

    assert not unexpected, "\n".join(
        [
            *map(str, unexpected),
            f"mend localmesh, or write the deviation into tests/conformance/deviations.yaml; if the input "
            f"was changed, record it anew: python -m tests.conformance.record {case.name}",
        ]
    )


def test_every_deviation_still_differs() -> None:
    """A deviation that is none any more would hide the next one."""
    found = [difference for case in cases() for difference in differences(case)]

    idle = [
        f"{deviation.what} {place}"
        for deviation in deviations()
        for place in deviation.places
        if not any(place.covers(difference) for difference in found)
    ]

    assert idle == []


def test_there_are_enough_cases_and_all_are_of_one_istio() -> None:
    """A mixture of versions would say nothing about any."""
    versions = {read(case).istio for case in cases()}

    assert len(versions) == 1
    assert len(cases()) >= LEAST_CASES


def test_every_recording_has_an_input() -> None:
    """A recording without its input would be compared with nothing."""
    folders = {path.name for path in CASES.iterdir()}

    assert folders == {case.name for case in cases()}


def test_every_overlay_is_a_case() -> None:
    """What the project itself ships is compared first of all, except what another controller translates."""
    overlays = {path.parent.name for path in (ROOT / "istio" / "overlays").glob("*/kustomization.yaml")}

    cases_of_overlays = {f"overlay-{name}" for name in overlays - FOR_CONTROLLERS}

    assert cases_of_overlays <= {case.name for case in cases()}


def test_every_field_that_is_translated_is_in_a_case() -> None:
    """Nothing is said to work that was never compared."""
    unseen = {field for field, fate in fates().items() if fate == "translated" and field not in uses()}

    assert unseen == REFUSED_BY_ISTIO


def test_the_page_on_conformance_is_golden(update_golden: bool) -> None:
    """The page is what cases, recordings and deviations say; `make golden` writes it anew."""
    if update_golden:
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()
