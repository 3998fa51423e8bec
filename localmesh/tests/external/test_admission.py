"""A proxy's configuration, with its private key, is sent only to the address of its pod."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest

from localmesh.catalog import Address
from localmesh.catalog.config_data import ConfigData
from localmesh.envoy_messages.messages import CLUSTER, message_class
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry
from localmesh.runtime.external.runtime import ExternalRuntime
from localmesh.runtime.workloads import FreePorts
from localmesh.tests.mesh.shop import BASE, V1
from localmesh.xds import AdsServer, Snapshot
from localmesh.xds.snapshots import Resources

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
NODE = "sidecar~web-v1-0.shop"


async def is_answered(port: int, node: str) -> bool:
    """Whether a caller on the loopback that claims to be this proxy gets an answer."""
    request = message_class("envoy.service.discovery.v3.DiscoveryRequest")(
        node={"id": node}, type_url=CLUSTER
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.stream_stream(
            METHOD,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class("envoy.service.discovery.v3.DiscoveryResponse").FromString,
        )()
        await call.write(request)
        return await call.read() is not grpc.aio.EOF


def is_answered_at(host: str, node: str = NODE) -> bool:
    """Whether it gets one from a mesh whose pod is at `host`."""

    async def run() -> bool:
        ports = FreePorts()
        port = ports.take()
        inventory = Inventory(
            (PodEntry("shop/web-v1", "web-v1-0", host),),
            (GatewayEntry("istio-system/istio-ingressgateway", "ingress-0", host),),
        )
        runtime, ads = ExternalRuntime(inventory, Address("127.0.0.1", port)), AdsServer()
        await runtime.open(ads, lambda: None)
        try:
            desired = plan(load_text(BASE + V1).resources, (), runtime.addresses)
            runtime.pod(desired.pods["shop", "web-v1-0"], ConfigData())
            ads.expect(NODE, Snapshot({CLUSTER: Resources()}))
            async with asyncio.timeout(10):
                return await is_answered(port, node)
        finally:
            await ads.stop()
            await runtime.close()
            ports.close()

    return asyncio.run(run())


def test_the_pod_itself_is_answered() -> None:
    """It calls from the address of its inventory entry."""
    assert is_answered_at("127.0.0.1")


def test_a_caller_at_another_address_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Claiming to be a pod does not help."""
    with caplog.at_level(logging.WARNING):
        answer = is_answered_at("192.0.2.1")

    assert not answer
    assert f"127.0.0.1 asked for the configuration of {NODE}, which is at 192.0.2.1" in caplog.text


def test_an_unknown_proxy_is_refused() -> None:
    """No pod of the mesh has that name."""
    assert not is_answered_at("127.0.0.1", "sidecar~nobody.shop")
