"""What a proxy changes in requests for the sake of telemetry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localmesh.catalog.mesh_config import MeshConfig
from localmesh.catalog.peers import Peer
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
