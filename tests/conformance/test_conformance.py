"""localmesh's configuration equals that of a real Istio, recorded and compared field by field."""

from __future__ import annotations

import pytest

from tests.conformance import statuses
from tests.conformance.case import CASES, Case, cases, compared_cases
from tests.conformance.compare import differences
from tests.conformance.deviations import deviations, unexplained
from tests.conformance.fields import REFUSED_BY_ISTIO, fates, planned_uses, telemetry_uses, uses
from tests.conformance.page import PAGE, istios_kinds, page
from tests.conformance.recorded import read

pytestmark = pytest.mark.xdist_group("overlays")

LEAST_CASES = 80


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_the_configuration_equals_that_of_istio(case: Case) -> None:
    """Every field of every proxy is as in Istio, or covered by a deviation."""
    if not case.is_compared:
        pytest.skip(f"not recorded from Istio: python -m tests.conformance.record {case.name}")

    unexpected = unexplained(differences(case))

    assert not unexpected, "\n".join(
        [
            *map(str, unexpected),
            f"fix localmesh, or add the deviation to tests/conformance/deviations.yaml; if the input has "
            f"changed, record it again: python -m tests.conformance.record {case.name}",
        ]
    )


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in cases() if statuses.is_recorded(case)]
)
def test_the_statuses_equal_those_that_istio_writes(case: Case) -> None:
    """Every condition of every object of the Gateway API has the reason and the words of istiod."""
    assert statuses.localmesh_statuses(case.resources()) == statuses.read(case)


def test_every_deviation_still_differs() -> None:
    """An obsolete deviation would hide the next difference."""
    current = [difference for case in compared_cases() for difference in differences(case)]

    obsolete = [
        f"{deviation.what} {place}"
        for deviation in deviations()
        for place in deviation.places
        if not any(place.covers(difference) for difference in current)
    ]

    assert obsolete == []


def test_there_are_enough_cases_and_all_are_of_one_istio() -> None:
    """Recordings of different versions could not be compared."""
    versions = {read(case).istio for case in compared_cases()}

    assert len(versions) == 1
    assert len(compared_cases()) >= LEAST_CASES


def test_every_folder_is_a_case() -> None:
    """A recording without an input or an overlay would never be compared."""
    folders = {path.name for path in CASES.iterdir()}

    assert folders <= {case.name for case in cases()}


def test_every_field_that_is_translated_is_in_a_case() -> None:
    """A contributor without a cluster adds the case, which the page lists until it is recorded."""
    seen = {*uses(), *planned_uses(), *telemetry_uses()}
    unseen = {field for field, fate in fates().items() if fate == "translated" and field not in seen}

    assert unseen == REFUSED_BY_ISTIO


def test_the_page_on_conformance_is_golden(update_golden: bool) -> None:
    """The page is generated from cases, recordings and deviations; `make golden` rewrites it."""
    if update_golden:
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_names_every_field_and_kind_of_istios_schemas() -> None:
    """Compared, not compared yet, refused, or without effect: nothing is left out."""
    page = PAGE.read_text(encoding="utf-8")

    fields = {field for field in fates() if f"`{field[1]}`" not in page}
    kinds = {kind.name for kind in istios_kinds() if kind.name not in page}

    assert (fields, kinds) == (set(), set())
