"""Messages that are made by plans are those of protobuf's own parser, and so are its errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localmesh.envoy_messages import messages
from localmesh.envoy_messages.messages import CLUSTER, LISTENER, ROUTE, encode, parsed, to_message
from localmesh.manifests import load
from localmesh.tests.fuzz.examples import GENERATED, configurations
from localmesh.tests.translate.test_golden import INPUTS, MESH
from localmesh.tests.xds.encoded import Json, documents, encoded_by_parser
from localmesh.translate import translate
from localmesh.translate.from_manifests import proxies

ODD = (
    None, True, False, 0, 1, -1, 2**31, 2**32, 2**64, 1.0, 0.5, 1e39, 10**400, float("nan"), float("inf"), "",
    "1", "x", "1s", "-1.5s",
    "1.0000000001s", "EDS", "\ud800", "3q2+7w", "NaN", [], ["x"], [None], [[]], ("x",),
    {}, {"value": 1}, {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "inside"}, {"@type": "x/y"},
)  # fmt: skip
"""Values that are right for some field, wrong for others, and unusual for most."""

ADDED = ("new", "name", "connect_timeout", "type", "cluster_type", "redirect", "direct_response", "prefix")
"""Fields to add: unknown, in the other spelling, or of a oneof that may have another one already."""


@cache
def golden() -> list[tuple[str, Json]]:
    """The distinct documents of all golden cases."""
    distinct = {}
    for case in INPUTS:
        catalog, known = proxies(load(files=[MESH, case]).resources)
        for proxy in known:
            for type_url, document in documents(translate(catalog, proxy)):
                distinct[type_url, json.dumps(document)] = document
    return [(type_url, document) for (type_url, _), document in distinct.items()]


def no_parser(*_: object) -> None:
    """Stands in for protobuf's parser where plans alone must do."""
    pytest.fail("protobuf's own parser was used")


def test_golden_configurations_are_encoded_by_plans_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document has the bytes that protobuf's parser gives, and the parser is not used."""
    expected = [encoded_by_parser(*one) for one in golden()]
    monkeypatch.setattr(messages, "parsed", no_parser)

    assert [encode(*one) for one in golden()] == expected


@pytest.mark.parametrize("kind", GENERATED)
def test_fuzzed_configurations_are_encoded_as_by_the_parser(kind: str) -> None:
    """Any object that localmesh accepts gives the same bytes either way."""
    compared = set()

    @settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(GENERATED[kind])
    def compare(generated: Json) -> None:
        for config in configurations(generated) or ():
            for type_url, document in documents(config):
                if (text := json.dumps(document)) not in compared:
                    compared.add(text)
                    assert encode(type_url, document) == encoded_by_parser(type_url, document)

    compare()

    assert len(compared) > 25


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.data())
def test_a_document_with_any_odd_value_has_the_outcome_of_the_parser(data: st.DataObject) -> None:
    """One value somewhere inside is replaced or added: the same message, or the same error."""
    type_url, original = data.draw(st.sampled_from(golden()))
    document = copy.deepcopy(original)
    container = data.draw(st.sampled_from([*containers(document)]))
    known = [*container, *ADDED] if isinstance(container, dict) else range(len(container))
    key = data.draw(st.sampled_from(known))
    container[key] = data.draw(st.sampled_from(ODD))

    assert outcome(to_message, type_url, document) == outcome(parsed, type_url, document)


def containers(value: Any) -> Iterator[Any]:
    """All objects and non-empty lists of a document."""
    if isinstance(value, dict) or (isinstance(value, list) and value):
        yield value
        for below in value.values() if isinstance(value, dict) else value:
            yield from containers(below)


def outcome(convert: Any, type_url: str, document: Json) -> Any:
    """The message, or the type and the text of the error."""
    try:
        return convert(type_url, document)
    except Exception as error:  # the parser has errors of its own, such as SystemError
        return type(error), str(error)


@pytest.mark.parametrize(
    ("type_url", "document"),
    [
        (CLUSTER, {"connectTimeout": "1s", "connect_timeout": "2s"}),
        (
            CLUSTER,
            {
                "commonLbConfig": {"zoneAwareLbConfig": {}},
                "common_lb_config": {"closeConnectionsOnHostSetChange": True},
            },
        ),
        (CLUSTER, {"commonLbConfig": {"healthyPanicThreshold": {"value": float("nan")}}}),
        (CLUSTER, {"commonLbConfig": {"healthyPanicThreshold": {"value": float("inf")}}}),
        (CLUSTER, {"type": "EDS", "clusterType": {"name": "x"}}),
        (CLUSTER, {"type": "SPHERE"}),
        (CLUSTER, {"nmae": "typing error"}),
        (CLUSTER, {"perConnectionBufferLimitBytes": 2**32}),
        (ROUTE, {"virtualHosts": [{"routes": [{"redirect": {}, "route": {"cluster": "x"}}]}]}),
        (LISTENER, {"listenerFilters": [{"name": "x", "typedConfig": {"name": "without a type"}}]}),
        (LISTENER, {"listenerFilters": [None]}),
    ],
)
def test_what_plans_do_not_cover_has_the_outcome_of_the_parser(type_url: str, document: Json) -> None:
    """Both spellings of one field are merged, and errors have the words of protobuf's parser."""
    assert outcome(to_message, type_url, document) == outcome(parsed, type_url, document)
