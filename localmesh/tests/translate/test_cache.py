"""What is remembered of earlier translations changes nothing but the work."""

from __future__ import annotations

import random

import pytest

from localmesh.manifests import load, load_text
from localmesh.tests.mesh.shop import BASE, V1, V2, routed
from localmesh.tests.translate.applied import Applied
from localmesh.tests.translate.test_golden import INPUTS, MESH
from localmesh.xds.messages import ROUTE, TYPE_PREFIX, message_class, to_message
from localmesh.xds.snapshots import as_sent

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


@pytest.mark.parametrize("order", range(2))
def test_the_memory_of_other_meshes_does_not_show(order: int) -> None:
    """All golden cases in some order, one after another: each as if it had been the first."""
    applied = Applied()

    for case in random.Random(order).sample(INPUTS, len(INPUTS)):
        applied.apply(load(files=[MESH, case]).resources, ready=bool(order))
        fresh = applied.fresh()

        assert applied.remembered() == fresh, case


def test_a_change_leaves_everything_else_the_same_object() -> None:
    """One route of the mesh: the gateway's configuration, and of a sidecar's all but one virtual host."""
    applied = Applied()
    applied.apply(load_text(BASE + V1 + V2 + routed(v1=1) + INSIDE.format(1)).resources)
    before, sent_before = applied.remembered(), applied.snapshots()

    applied.apply(load_text(BASE + V1 + V2 + routed(v1=1) + INSIDE.format(2)).resources)
    after, sent_after = applied.remembered(), applied.snapshots()

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


def test_virtual_hosts_encoded_one_by_one_are_the_same_message() -> None:
    """What is put together from bytes reads as what is encoded as a whole."""
    applied = Applied()
    applied.apply(load_text(BASE + V1 + routed(v1=1) + INSIDE.format(1)).resources)
    config, snapshot = applied.remembered(), applied.snapshots()

    for name, each in config.items():
        for route in each.routes:
            sent = message_class(ROUTE.removeprefix(TYPE_PREFIX)).FromString(
                snapshot[name].of(ROUTE)[route["name"]]
            )
            hosts = [as_sent(host) for host in route["virtualHosts"]]
            assert sent == to_message(ROUTE, {**route, "virtualHosts": hosts})
