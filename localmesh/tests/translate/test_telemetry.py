"""What a proxy changes in requests for the sake of telemetry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localmesh.catalog.mesh_config import MeshConfig
from localmesh.catalog.peers import Peer
from localmesh.manifests import load_text
from localmesh.tests.mesh.shop import BASE, V1, V2
from localmesh.tests.translate.applied import Applied
from localmesh.translate.metrics import PEER_HEADER
from localmesh.translate.telemetry import ProxyTelemetry


@pytest.mark.parametrize(
    ("enable_tracing", "headers"), [(True, [PEER_HEADER, "traceparent"]), (False, [PEER_HEADER])]
)
def test_a_b3_context_is_translated_for_a_tracer_only(enable_tracing: bool, headers: list[str]) -> None:
    """Without a tracer, a request keeps the headers of its caller, as in Istio."""
    telemetry = ProxyTelemetry(
        own=Peer.of("web-v1", "shop", {}),
        is_gateway=False,
        objects=(),
        mesh_config=replace(MeshConfig(), enable_tracing=enable_tracing),
        destinations=None,
        trace_sampling=100,
    )

    (extension,) = telemetry.sent_requests()["earlyHeaderMutationExtensions"]

    changed = [mutation["append"]["header"]["key"] for mutation in extension["typedConfig"]["mutations"]]
    assert changed == headers


@pytest.mark.parametrize(
    ("pods", "removes"),
    [
        ("", False),
        (V1, False),
        (V1 + V2.replace("version: v2}}", "version: v2, sidecar.istio.io/inject: 'false'}}"), True),
    ],
    ids=["no pods", "a sidecar", "one of two without"],
)
def test_what_proxies_tell_each_other_is_kept_from_pods_without_sidecars(pods: str, removes: bool) -> None:
    """The clusters of a Service remove the header if one of its pods has no sidecar that would."""
    applied = Applied()
    applied.apply(load_text(BASE + pods).resources)

    (config,) = (config for name, config in applied.cached().items() if name.startswith("istio-ingress"))

    (cluster,) = (one for one in config.clusters if one["name"] == "outbound|80||web.shop.svc.cluster.local")
    assert (PEER_HEADER in str(cluster)) is removes
