"""Clusters of Services without pods are sent without what only connections need."""

from __future__ import annotations

import pytest

from localmesh.envoy_messages.messages import CLUSTER, TYPE_PREFIX, message_class
from localmesh.manifests import load_text
from localmesh.tests.mesh.shop import BASE, V1
from localmesh.tests.translate.applied import Applied

NAME = "outbound|80||web.shop.svc.cluster.local"
MACHINE = """---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: machine, namespace: shop}
spec: {address: 10.1.1.1, labels: {app: web, version: v1, security.istio.io/tlsMode: istio}}
"""


def sent(applied: Applied, text: str, *, ready: bool = True) -> bytes:
    """The cluster of the Service as the gateway gets it after an apply."""
    applied.apply(load_text(text).resources, not_ready=() if ready else ("web-v1",))
    (snapshot,) = (one for name, one in applied.snapshots().items() if name.startswith("istio-ingress"))
    return snapshot.of(CLUSTER)[NAME]


@pytest.mark.parametrize(
    ("text", "fields"),
    [(BASE, 0), (BASE + V1, 1), (BASE + MACHINE, 1)],
    ids=["no pods", "a pod", "a machine that proves no name"],
)
def test_only_a_service_without_pods_is_called_without_tls(text: str, fields: int) -> None:
    """Nobody can be called there; the other fields are the same."""
    message = message_class(CLUSTER.removeprefix(TYPE_PREFIX)).FromString(sent(Applied(), text))

    present = {field.name for field, _ in message.ListFields()}

    assert len(present & {"transport_socket_matches"}) == fields
    assert len(present & {"circuit_breakers"}) == fields
    assert {"name", "eds_cluster_config", "lb_policy", "common_lb_config", "connect_timeout"} <= present


def test_a_cluster_is_sent_again_with_its_first_pod_but_not_when_that_is_ready() -> None:
    """Readiness changes endpoints only: Envoy gets all clusters whenever one has changed."""
    applied = Applied()

    empty = sent(applied, BASE)
    started = sent(applied, BASE + V1, ready=False)
    ready = sent(applied, BASE + V1)
    gone = sent(applied, BASE)

    assert started == ready != empty
    assert gone == empty
