"""The Gateway API's Gateway has the name of Istio's and is never mistaken for it."""

from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog import build
from localmesh.catalog.objects import Objects
from localmesh.cli.objects import Reference, kind_named, matching
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.gateway_api import KUBERNETES_GATEWAY
from localmesh.manifests import Resource, load, load_text, of_kind
from localmesh.problems import ManifestError, Place
from localmesh.runtime.changes import changes, counts, key
from localmesh.server import kubernetes

SPEC = {"servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}
ISTIO, OTHER = "networking.istio.io", "gateway.networking.k8s.io"

BOTH = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
"""


def _gateway(group: str, order: int = 0, spec: Any = SPEC) -> Resource:
    version = f"{group}/v1"
    place = Place("edge.yaml", "Gateway", "shop", "edge", group=group)
    body = {"apiVersion": version, "kind": "Gateway", "metadata": {"name": "edge"}, "spec": spec}
    return Resource(version, "Gateway", "shop", "edge", {}, {}, body, place, order)


def test_a_resource_is_of_one_kind_only() -> None:
    """Group and name decide."""
    resources = [_gateway(ISTIO), _gateway(OTHER)]

    assert of_kind(resources, GATEWAY) == resources[:1]
    assert of_kind(resources, KUBERNETES_GATEWAY) == resources[1:]


def test_the_catalog_makes_a_gateway_of_istios_only() -> None:
    """The object of the other group has a spec that would do."""
    opened = build([_gateway(ISTIO)]).gateways

    assert any(gateway.servers for gateway in opened)
    assert build([_gateway(OTHER)]).gateways == build([]).gateways


def test_the_catalog_finds_an_object_by_group_and_name() -> None:
    """Both are called edge."""
    istio, other = _gateway(ISTIO), _gateway(OTHER, 1)
    objects = Objects([istio, other])

    assert objects.named(GATEWAY, "shop", "edge") is istio
    assert objects.named(KUBERNETES_GATEWAY, "shop", "edge") is other
    assert objects.of(GATEWAY) == [istio]


def test_one_is_added_without_changing_the_other() -> None:
    """An apply recognizes an object by its group, too."""
    istio, other = _gateway(ISTIO), _gateway(OTHER, 1)

    difference = changes({key(istio): istio}, {key(resource): resource for resource in (istio, other)})

    assert (difference.added, difference.changed, difference.removed) == (("Gateway shop/edge",), (), ())


def test_they_are_counted_separately() -> None:
    """With the group where the name alone would not say which."""
    assert counts([_gateway(ISTIO)]) == {"Gateway": 1}
    assert counts([_gateway(ISTIO), _gateway(OTHER)]) == {f"Gateway.{ISTIO}": 1, f"Gateway.{OTHER}": 1}


@pytest.mark.parametrize("group", [ISTIO, OTHER])
def test_the_api_lists_those_of_the_group_in_the_path(group: str) -> None:
    """/apis/GROUP/v1/gateways."""
    resources = [_gateway(ISTIO), _gateway(OTHER)]

    listed = kubernetes.objects(resources, group=group, kinds="gateways", namespace=None)

    assert [resource.group for resource in listed] == [group]


def test_commands_find_those_of_the_group_that_is_named() -> None:
    """`localmesh get gw` and `localmesh delete gw edge` mean Istio's."""
    references = [Reference.of(dict(_gateway(group).body)) for group in (OTHER, ISTIO)]

    assert matching(references, kind_named("gw"), "edge") == references[1:]
    assert matching(references, KUBERNETES_GATEWAY, "edge") == references[:1]


def test_loading_takes_both() -> None:
    """One is not a second definition of the other."""
    loaded = load_text(BOTH).resources

    assert [resource.group for resource in loaded] == [OTHER, ISTIO]


def test_a_problem_is_located_in_the_object_of_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in one file, for which kustomize reports no line."""
    monkeypatch.chdir(tmp_path)
    Path("edge.yaml").write_text(BOTH.replace('hosts: ["*"]', "hosts: []").replace("port: 80", "port: 0", 1))
    Path("kustomization.yaml").write_text("resources: [edge.yaml]\n")

    with pytest.raises(ManifestError) as caught:
        load(kustomizations=[Path()])

    assert [(problem.code, problem.place.line) for problem in caught.value.problems] == [
        ("SM106", 4),
        ("SM141", 9),
    ]
