"""The comparison itself: it finds differences, and only recorded deviations cover them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import recorded
from tests.conformance.case import Case, named
from tests.conformance.compare import Difference, differences, fields
from tests.conformance.deviations import Place, unexplained
from tests.conformance.elements import Name, route_elements
from tests.conformance.istio_side import Dump, istio_elements
from tests.conformance.page import with_unrecorded
from tests.conformance.recorded import NotRecordedError, Recording, read, write

ROUTE_WEIGHTS = "route-weights"


@pytest.fixture
def edited(tmp_path: Path) -> Case:
    """A copy of the case `route-weights` that a test may edit."""
    original = named(ROUTE_WEIGHTS)
    folder = tmp_path / ROUTE_WEIGHTS
    folder.mkdir()
    for file in (original.input, original.recorded):
        (folder / file.name).write_bytes(file.read_bytes())
    return Case(folder)


def test_a_changed_weight_is_a_difference(edited: Case) -> None:
    """The comparison can fail: one changed number in the input is enough."""
    edited.input.write_text(edited.input.read_text().replace("weight: 30", "weight: 31"))

    unexpected = unexplained(differences(edited))

    assert {
        (difference.element.name, difference.istio, difference.localmesh) for difference in unexpected
    } == {("80 web.shop.svc.cluster.local:80", 30, 31)}


def test_a_missing_object_is_a_difference(edited: Case) -> None:
    """An input without its VirtualService differs from the recording."""
    edited.input.write_text("# Nothing.\n")

    assert unexplained(differences(edited))


def test_a_recording_is_read_as_it_was_written(edited: Case) -> None:
    """The file contains only the differences from the mesh alone, and reading it restores everything."""
    whole = read(edited)
    elements = {**whole.elements, Name("client.shop", "routes", "more"): {"a": [1, {"b": None}]}}
    del elements[Name("client.shop", "clusters", "outbound|80||web.shop.svc.cluster.local")]

    write(edited, Recording("1.0", elements))

    assert read(edited) == Recording("1.0", elements)
    assert len(edited.recorded.read_text()) < 20_000


def test_a_case_without_recording_says_how_to_record_it(edited: Case) -> None:
    """The message has the command."""
    edited.recorded.unlink()
    recorded.read.cache_clear()

    with pytest.raises(NotRecordedError, match=r"tests\.conformance\.record route-weights"):
        differences(edited)


@pytest.mark.parametrize("case", ["overlay-canary", "route-weights"])
def test_a_case_without_recording_is_not_compared(case: str, tmp_path: Path) -> None:
    """A contributor may have no cluster."""
    new = Case(tmp_path / case)
    before = new.is_compared
    new.folder.mkdir()
    new.recorded.touch()

    assert (before, new.is_compared) == (False, True)


def test_the_page_lists_the_cases_that_are_not_compared(tmp_path: Path) -> None:
    """In a section that is replaced, and is not there if all are compared."""
    overlay, new = Case(tmp_path / "overlay-canary", "canary"), Case(tmp_path / "route-new")
    new.folder.mkdir()
    new.input.write_text("# A new rule\n")

    both = with_unrecorded("page\n", [overlay, new])

    assert "- [overlay-canary](../istio/overlays/canary/README.md): Canary: one in five" in both
    assert "/route-new/input.yaml): A new rule\n" in both
    assert "route-new" not in with_unrecorded(both, [overlay])
    assert with_unrecorded(both, []) == "page\n"


@pytest.mark.parametrize(
    ("left", "right", "path"),
    [
        ({"a": 1}, {"a": "1"}, "a"),
        ({"a": {"b": 0}}, {"a": {}}, "a.b"),
        ([1, 2], [2, 1], "[0]"),
        ([1], [1, 2], ""),
    ],
)
def test_values_of_another_type_length_or_order_differ(left: Any, right: Any, path: str) -> None:
    """Values that Envoy distinguishes are different."""
    paths = [field[0] for field in fields(left, right)]

    assert paths[0] == path


def test_a_deviation_covers_only_its_own_place() -> None:
    """Another field, case, part or proxy is not covered."""
    difference = Difference(
        "a-case", Name("client.shop", "clusters", "outbound|80||web"), "type", "EDS", "STATIC"
    )
    place = Place("clusters", "outbound|*||web", "type", "a-*", "*")

    assert place.covers(difference)
    for other in (
        {"path": "lbPolicy"},
        {"path": ""},
        {"case": "b-case"},
        {"element": Name("client.shop", "clusters", "outbound|80|v1|web")},
        {"element": Name("client.shop", "routes", "outbound|80||web")},
    ):
        assert not place.covers(dataclasses.replace(difference, **other))


def test_addresses_of_the_cluster_are_not_compared_as_domains() -> None:
    """The address of a Service differs between clusters."""
    domains = ["web", "web.shop", "10.96.3.4", "10.96.3.4:80", "2001:2::3", "[2001:2::3]:80", "*"]
    host = {"name": "web:80", "domains": domains, "routes": []}

    elements = dict(route_elements("client.shop", [{"name": "80", "virtualHosts": [host]}]))

    assert elements[Name("client.shop", "routes", "80 web:80")]["domains"] == ["web", "web.shop", "*"]


def test_routes_of_a_removed_listener_are_ignored() -> None:
    """Envoy keeps them until the last connection has ended."""
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {"rds": {"route_config_name": "80"}, "http_filters": []},
    }
    listener = {
        "name": "0.0.0.0_80",
        "traffic_direction": "OUTBOUND",
        "bind_to_port": False,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        "filter_chains": [{"filters": [manager]}],
    }
    dump = Dump(
        {
            "configs": [
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                    "dynamic_listeners": [{"name": "0.0.0.0_80", "active_state": {"listener": listener}}],
                },
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
                    "dynamic_route_configs": [{"route_config": {"name": name}} for name in ("80", "8080")],
                },
            ]
        }
    )

    elements = istio_elements("client.shop", dump, ())

    assert set(elements) == {Name("client.shop", "routes", "80")}
