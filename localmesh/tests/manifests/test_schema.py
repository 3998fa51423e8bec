"""The shipped schemas, and the problems for their errors."""

import json
from importlib.resources import files
from typing import Any

import pytest

from localmesh.kinds import KINDS as ALL_KINDS
from localmesh.manifests.schema import schema_problems
from localmesh.problems import Place, Problem

KINDS = {
    f"{version}/{kind.name}"
    for kind in ALL_KINDS.values()
    if kind.has_schema
    for version in kind.api_versions
}


def _schemas(name: str) -> dict[str, Any]:
    text = (files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8")
    schemas: dict[str, Any] = json.loads(text)
    return schemas


def _problems(kind: str, **fields: Any) -> list[Problem]:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **fields}
    return list(schema_problems(body, f"v1/{kind}", Place("a.yaml")))


def test_every_kind_has_a_schema_and_every_schema_a_kind() -> None:
    """A kind of a new Istio version must get a record."""
    shipped = {
        kind
        for name in ("istio.json", "kubernetes.json", "gateway_api.json")
        for kind in _schemas(name)["kinds"]
    }

    assert shipped == KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_schema_works(kind: str) -> None:
    """It compiles, and reports an unknown field."""
    body = {"apiVersion": "", "kind": "", "metadata": {"name": "a"}, "nonsense": 1}

    paths = [str(problem.path) for problem in schema_problems(body, kind, Place("a.yaml"))]

    assert "nonsense" in paths


@pytest.mark.parametrize("name", ["istio.json", "kubernetes.json"])
def test_the_source_of_the_schemas_is_named(name: str) -> None:
    """As their licence requires, and for the next update."""
    notice = (files("localmesh.manifests") / "schemas" / "NOTICE").read_text(encoding="utf-8")

    assert "scripts/generate_schemas.py" in _schemas(name)["$comment"]
    assert name in notice


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ({"port": []}, "write ports"),
        ({"target_port": 80}, "remove it"),
        ({"targetPort": 80}, "write it under spec.ports"),
        ({"labels": {}}, "write it under metadata"),
        (
            {"ports": [{"port": 80, "selector": {}}]},
            "indent it less: it belongs to the enclosing block",
        ),
        ({"ports": {"port": 80}}, 'write a list: each entry starts with "- "'),
        ({"ports": [[80]]}, 'write a mapping, without "- "'),
        ({"ports": [{"port": "80"}]}, "write the value without quotes"),
        ({"ports": [{"port": "80%"}]}, "write 80"),
        ({"ports": [{"port": "1:20"}]}, "write a whole number"),
        ({"ports": [{"port": "http"}]}, "write a whole number"),
        ({"clusterIP": 10}, "put the value in quotes"),
        ({"externalIPs": "10.0.0.1"}, "write [10.0.0.1]"),
        ({"type": "clusterip"}, "write ClusterIP"),
        ({"type": "Internal"}, "write one of these"),
        ({"ports": [{}]}, "add spec.ports[0].port"),
    ],
)
def test_the_remedy_depends_on_the_mistake(spec: dict[str, Any], remedy: str) -> None:
    """Misspelled fields, wrong indentation, wrong types."""
    problems = _problems("Service", spec=spec, metadata={"name": "a"})

    assert [problem.fix for problem in problems] == [remedy]


def test_a_misspelled_field_is_not_missing_as_well() -> None:
    """One mistake, one problem."""
    (problem,) = _problems("Service", spec={"ports": [{"prot": 80}]})

    assert (problem.code, str(problem.path)) == ("SM101", "spec.ports[0].prot")


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (
            "security.istio.io/v1/AuthorizationPolicy",
            {"selector": {}, "targetRefs": []},
            "spec selector and targetRefs are set, expected at most one of selector and targetRefs",
        ),
        (
            "security.istio.io/v1/RequestAuthentication",
            {"jwtRules": [{"issuer": ""}]},
            'spec.jwtRules[0].issuer found "", expected at least 1 character',
        ),
        (
            "security.istio.io/v1/RequestAuthentication",
            {"targetRef": {"kind": "a", "name": "b", "namespace": "c"}},
            'spec.targetRef.namespace found "c", expected at most 0 characters',
        ),
        (
            "security.istio.io/v1/PeerAuthentication",
            {"selector": {"matchLabels": {"app": "*"}}},
            'spec.selector.matchLabels.app found "*", expected a value that matches ^[^*]*$',
        ),
        (
            "networking.istio.io/v1/ServiceEntry",
            {"hosts": ["*"]},
            'spec.hosts[0] found "*", expected another value',
        ),
    ],
)
def test_rules_of_custom_resources_are_in_their_schemas(
    kind: str, spec: dict[str, Any], expected: str
) -> None:
    """Schemas contain the expressions of the API server that they can express."""
    body = {"apiVersion": "", "kind": "", "metadata": {"name": "a"}, "spec": spec}

    problems = schema_problems(body, kind, Place("a.yaml"))

    assert expected in [f"{problem.path} {problem.message}" for problem in problems]
