"""No difference is missed: there are changes if and only if the configurations differ."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from localmesh.catalog import ProxyKind
from localmesh.diff.edits import edits, pattern
from localmesh.diff.meshes import compare
from localmesh.diff.phrases import OTHER
from localmesh.diff.proxies import Change, Comparison
from localmesh.diff.reports import REPORTS
from localmesh.manifests import LoadResult, Resource, load
from localmesh.problems import ManifestError
from localmesh.tests.diff.shop import POLICIES, SHOP, SPLIT_WITH_EVERYTHING, loaded
from localmesh.tests.fuzz.examples import GENERATED, MESH
from localmesh.translate import ProxyConfig, translate
from localmesh.translate.from_manifests import proxies

IDENTITIES = {"name", "clusterName", "match", "domains", "virtualHosts"}
"""Fields that a resource cannot be without, so that they are not removed; their values change, too."""
EDITS = 40
"""How many edits are tried of each list of each proxy."""
COMPARED = 6
"""How many generated objects of each kind are compared: many that the schemas allow are refused."""


class EnoughError(Exception):
    """There are as many generated objects as are compared."""


def configurations(mesh: LoadResult) -> list[tuple[ProxyKind, ProxyConfig]]:
    catalog, known = proxies(mesh.resources)
    return [(proxy.kind, translate(catalog, proxy)) for proxy in known]


CONFIGURATIONS = configurations(loaded(SHOP + SPLIT_WITH_EVERYTHING + POLICIES))
CASES = Path(__file__).resolve().parents[3] / "tests" / "conformance" / "cases"


@pytest.mark.parametrize("index", range(len(CONFIGURATIONS)))
def test_equal_configurations_have_no_changes(index: int) -> None:
    """A copy is equal, whether or not it is the same object."""
    kind, config = CONFIGURATIONS[index]

    assert Comparison().changes(config, copy.deepcopy(config), kind) == ()


@pytest.mark.parametrize("name", [field.name for field in fields(ProxyConfig)])
def test_every_edit_of_the_envoy_json_is_in_a_change(name: str) -> None:
    """Whatever changes in Envoy's JSON, a change of the same resource contains that field."""
    choice = random.Random(name)
    for kind, before in CONFIGURATIONS:
        for _ in range(EDITS if getattr(before, name) else 0):
            number, edited = edited_resource(getattr(before, name), choice)
            resources = list(getattr(before, name))
            resources[number] = edited
            after = replace(before, **{name: tuple(resources)})

            changes = Comparison().changes(before, after, kind)

            assert bool(changes) is (before != after)
            for edit in edits(getattr(before, name)[number], edited):
                assert is_reported(pattern(edit.path), changes), (kind, name, edit.field)


def edited_resource(resources: Sequence[Any], choice: random.Random) -> tuple[int, Any]:
    """One of the resources with a value removed or changed anywhere in it, and its number."""
    number = choice.randrange(len(resources))
    edited = copy.deepcopy(resources[number])
    paths = list(places(edited)) or [("clusterName",)]
    mutate(edited, choice.choice(paths), choice.random() < 0.5)
    return number, edited


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside a document, except the name that it is found by."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if (*at, key) not in ((("name",)), ("clusterName",)) and not (
            key == "name" and "virtualHosts" in at and len(at) == 2
        ):
            yield (*at, key)
        if isinstance(value, (dict, list, tuple)):
            yield from places(value, (*at, key))


def mutate(document: Any, path: tuple[Any, ...], remove: bool) -> None:
    """Removes the value at a path, or makes another one of it."""
    for key in path[:-1]:
        document = document[key]
    key = path[-1]
    if remove and isinstance(document, dict) and key not in IDENTITIES:
        del document[key]
    else:
        document[key] = another(document[key])


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, dict):
        return {**value, "added": 1}
    return [*value, *value[:1]]


def is_reported(path: tuple[str, ...], changes: tuple[Change, ...]) -> bool:
    reported = [pattern(part.edit.path) for change in changes for part in change.edits]
    return any(path[: len(other)] == other or other[: len(path)] == path for other in reported)


def test_a_list_that_is_not_known_here_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new part of a configuration has no words yet, but its changes are reported."""
    kind, before = CONFIGURATIONS[0]
    after = replace(before, scopes=before.scopes[:-1])
    monkeypatch.setattr("localmesh.diff.proxies._scopes", lambda *_lists: [])
    assert not any(change.text.startswith(OTHER) for change in Comparison().changes(before, after, kind))
    monkeypatch.setattr(
        "localmesh.diff.proxies._KNOWN_LISTS", {field.name for field in fields(before)} - {"scopes"}
    )

    (change, *_) = Comparison().changes(before, after, kind)

    assert change.text.startswith(f"{OTHER}: scopes")


@pytest.mark.parametrize("kind", GENERATED)
def test_generated_objects_differ_if_their_translations_do(kind: str) -> None:
    """Whatever the schemas allow, every report can show it; equal translations have no changes."""
    meshes: list[LoadResult] = []

    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(GENERATED[kind])
    def collect(generated: dict[str, Any]) -> None:
        if len(meshes) == COMPARED:
            raise EnoughError
        with suppress(ManifestError):
            meshes.append(loaded(f"{MESH}---\n{json.dumps(generated)}"))

    with suppress(EnoughError):
        collect()
    translated = [configurations(mesh) for mesh in meshes]

    for before, after in pairwise(range(len(meshes))):
        result = compare(meshes[before], meshes[after])
        assert bool(result.changes) is (translated[before] != translated[after])
        assert all(report(result) for report in REPORTS.values())
    assert len(meshes) == COMPARED


def test_values_without_words_are_shown_as_they_are() -> None:
    """A field that no translation sets is still reported, with its resource and path."""
    kind, before = CONFIGURATIONS[0]
    clusters = copy.deepcopy(before.clusters)
    clusters[-1]["perConnectionBufferLimitBytes"] = 1024

    (change,) = Comparison().changes(before, replace(before, clusters=clusters), kind)

    name = clusters[-1]["name"]
    field = "perConnectionBufferLimitBytes: none → 1024"
    assert change.text.endswith(f"other Envoy configuration: clusters/{name} {field}")
    assert json.dumps(change.edits[0].edit.after) == "1024"


@pytest.mark.parametrize(
    "case",
    [
        "client-tls-mutual",
        "cluster-rule-mesh-wide",
        "gateway-istio-mutual",
        "gateway-tcp",
        "gateway-tls-passthrough",
        "hash-weighted",
        "route-cors",
    ],
)
def test_what_istio_translates_has_words(case: str) -> None:
    """Whichever object of these cases is added, no field of the change is shown without words."""
    loaded_case = load(files=[CASES / case / "input.yaml"])
    istio_objects = [resource for resource in loaded_case.resources if "istio.io" in resource.group]

    texts = [
        change.text
        for resource in istio_objects
        for change in compare(_without(loaded_case, resource), loaded_case).changes
    ]

    assert [text for text in texts if OTHER in text] == []
    assert texts


def _without(loaded: LoadResult, resource: Resource) -> LoadResult:
    return LoadResult(tuple(item for item in loaded.resources if item is not resource))
