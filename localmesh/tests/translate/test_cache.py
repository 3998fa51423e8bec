"""The cache of the translation saves work and changes nothing else."""

from __future__ import annotations

import json
import os
import random
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from localmesh.envoy_messages.messages import CLUSTER, ROUTE, TYPE_PREFIX, message_class, to_message
from localmesh.kinds import KINDS, Status
from localmesh.manifests import Resource, load, load_text
from localmesh.tests.mesh.shop import BASE, V1, V2, routed
from localmesh.tests.translate.applied import Applied
from localmesh.tests.translate.test_golden import INPUTS, MESH
from localmesh.translate import ProxyConfig
from localmesh.xds.snapshots import as_sent

EDITS = Path(__file__).with_name("edits.yaml")
WITHOUT_PROXIES = {"ConfigMap", "PersistentVolumeClaim", "Secret"}
"""Kinds that are not about proxies."""

INSIDE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: inside, namespace: shop}}
spec: {{hosts: [web], http: [{{timeout: {0}s, route: [{{destination: {{host: web}}}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: other, namespace: shop}}
spec: {{selector: {{app: other}}, ports: [{{name: http, port: 80}}]}}
"""


def _versions() -> list[list[Resource]]:
    """The versions of each object in `edits.yaml`."""
    by_object: dict[tuple[str, str, str], list[Resource]] = {}
    for document in yaml.load_all(EDITS.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
        (resource,) = load_text(json.dumps(document)).resources
        by_object.setdefault((resource.kind, resource.namespace, resource.name), []).append(resource)
    return list(by_object.values())


VERSIONS = _versions()
EXAMPLES = int(os.environ.get("LOCALMESH_FUZZ", "25"))
EDIT = st.tuples(st.integers(0, len(VERSIONS) - 1), st.integers(-1, 5), st.booleans())
"""An object by its number, the version that it gets (-1: it is deleted), and whether pods become unready."""


@pytest.mark.parametrize(
    "number", range(len(VERSIONS)), ids=[str(version[0].place.subject) for version in VERSIONS]
)
def test_any_single_edit_gives_what_a_translation_from_scratch_gives(number: int) -> None:
    """An object goes from each of its versions, or from not being there, to each other one, and back.

    Each version makes a difference, or it would test nothing.
    """
    others = [versions[0] for other, versions in enumerate(VERSIONS) if other != number]
    states = [[], *([version] for version in VERSIONS[number])]
    applied = Applied()
    scratch: dict[int, dict[str, ProxyConfig]] = {}

    for state in (index for old, new in combinations(range(len(states)), 2) for index in (old, new, old)):
        applied.apply([*others, *states[state]])
        cached = applied.cached()

        if state not in scratch:
            scratch[state] = applied.from_scratch()
        assert cached == scratch[state]
    first, *later = (scratch[number] for number in range(1, len(states)))
    assert first not in later


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(st.lists(EDIT, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_sequence_of_edits_gives_what_a_translation_from_scratch_gives(
    edits: list[tuple[int, int, bool]], rng: random.Random
) -> None:
    """Objects of all kinds come, change and go, and pods become ready and unready."""
    applied = Applied()
    current = {number: rng.choice(versions) for number, versions in enumerate(VERSIONS) if rng.random() < 0.8}
    applied.apply(current.values())
    before = applied.cached()

    for number, version, fails in edits:
        current.pop(number, None)
        if version >= 0:
            current[number] = VERSIONS[number][version % len(VERSIONS[number])]
        applied.apply(current.values(), not_ready=rng.sample(applied.workloads, int(fails)))
        after = applied.cached()

        assert after == applied.from_scratch()
        assert _rebuilt(before, after) == []
        before = after


def _rebuilt(before: dict[str, ProxyConfig], after: dict[str, ProxyConfig]) -> list[str]:
    """The parts of configurations that are equal to those of before, but not the same objects."""
    return [
        f"{name} {field.name}"
        for name in before.keys() & after.keys()
        for field in fields(ProxyConfig)
        for old, new in [(getattr(before[name], field.name), getattr(after[name], field.name))]
        if old == new and old is not new
    ]


def test_edits_are_of_every_kind_that_decides_a_configuration() -> None:
    """A kind that is added gets into the sequences of edits too."""
    kinds = {kind.name for kind in KINDS.values() if kind.status is Status.TRANSLATED} - WITHOUT_PROXIES

    assert {versions[0].kind for versions in VERSIONS} == kinds


@pytest.mark.parametrize("order", range(2))
def test_earlier_meshes_leave_no_trace(order: int) -> None:
    """All golden cases in some order, one after another: each is translated as if it were the first."""
    applied = Applied()

    for case in random.Random(order).sample(INPUTS, len(INPUTS)):
        applied.apply(load(files=[MESH, case]).resources, not_ready=() if order else ("web-v1",))

        assert applied.cached() == applied.from_scratch(), case


def test_a_change_leaves_everything_else_the_same_object() -> None:
    """One route of the mesh: the gateway's configuration, and of a sidecar's all but one virtual host."""
    applied = Applied()
    applied.apply(load_text(BASE + V1 + V2 + routed(v1=1) + INSIDE.format(1)).resources)
    before, sent_before = applied.cached(), applied.snapshots()

    applied.apply(load_text(BASE + V1 + V2 + routed(v1=1) + INSIDE.format(2)).resources)
    after, sent_after = applied.cached(), applied.snapshots()

    (gateway,) = [name for name in after if name.startswith("istio-ingressgateway-")]
    assert after[gateway] is before[gateway]
    assert sent_after[gateway] == sent_before[gateway]
    sidecars = [name for name in after if name != gateway]
    for name in sidecars:
        assert after[name].clusters is before[name].clusters
        assert after[name].listeners is before[name].listeners
        hosts_before, hosts_after = (config[name].routes[0]["virtualHosts"] for config in (before, after))
        changed = [new["name"] for old, new in zip(hosts_before, hosts_after, strict=True) if new is not old]
        assert changed == ["web.shop.svc.cluster.local:80"]
    assert len({id(after[name].routes) for name in sidecars}) == 1


@pytest.mark.parametrize(("port", "shared"), [("http", True), ("any", False)])
def test_a_gateway_and_a_sidecar_share_what_does_not_depend_on_the_caller(port: str, shared: bool) -> None:
    """Clusters are translated and encoded once; where the protocol is detected, only sidecars pass it on."""
    applied = Applied()
    applied.apply(load_text(BASE.replace("name: http, port", f"name: {port}, port") + V1).resources)
    name = "outbound|80|v1|web.shop.svc.cluster.local"

    clusters, endpoints = (
        [one for config in applied.cached().values() for one in getattr(config, field) if one[key] == name]
        for field, key in (("clusters", "name"), ("endpoints", "clusterName"))
    )

    assert (clusters[0] is clusters[1]) is shared
    assert endpoints[0] is endpoints[1]


def test_virtual_hosts_encoded_one_by_one_are_the_same_message() -> None:
    """A message that is joined from encoded parts reads as one that is encoded as a whole."""
    applied = Applied()
    applied.apply(load_text(BASE + V1 + routed(v1=1) + INSIDE.format(1)).resources)
    configs, snapshots = applied.cached(), applied.snapshots()

    for name, config in configs.items():
        for route in config.routes:
            sent = message_class(ROUTE.removeprefix(TYPE_PREFIX)).FromString(
                snapshots[name].of(ROUTE)[route["name"]]
            )
            hosts = [as_sent(host) for host in route["virtualHosts"]]
            assert sent == to_message(ROUTE, {**route, "virtualHosts": hosts})


def test_metadata_of_istio_is_not_sent_and_that_of_others_is() -> None:
    """Nothing here reads the former; the latter is an EnvoyFilter's, and something may read it."""
    own = {"filterMetadata": {"istio": {"config": "/apis/x"}}}
    patched = {"filterMetadata": {**own["filterMetadata"], "example": {"team": "shop"}}}
    route = {"match": {"prefix": "/"}, "decorator": {"operation": "web"}}
    cluster, host = {"name": "c"}, {"name": "h", "domains": ["*"]}

    assert as_sent({**cluster, "metadata": own}) == cluster
    assert as_sent({**cluster, "metadata": patched}) == {**cluster, "metadata": patched}
    assert as_sent({**host, "routes": [{**route, "metadata": own}]}) == {
        **host,
        "routes": [{"match": route["match"]}],
    }


def test_clusters_are_sent_without_metadata_of_istio() -> None:
    """Their names and settings arrive."""
    applied = Applied()
    applied.apply(load_text(BASE + V1 + routed(v1=1)).resources)
    config, snapshot = next(iter(applied.cached().values())), next(iter(applied.snapshots().values()))

    for cluster in config.clusters:
        sent = message_class(CLUSTER.removeprefix(TYPE_PREFIX)).FromString(
            snapshot.of(CLUSTER)[cluster["name"]]
        )
        assert sent == to_message(CLUSTER, {key: cluster[key] for key in cluster if key != "metadata"})
    assert any("metadata" in cluster for cluster in config.clusters)
