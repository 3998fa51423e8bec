"""Who gets what a proxy is told, keys among it: the caller at the address of its pod, and nobody else."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest

from localmesh.catalog import Address
from localmesh.catalog.config_data import ConfigData
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry
from localmesh.runtime.external.runtime import ExternalRuntime
from localmesh.runtime.workloads import FreePorts
from localmesh.tests.mesh.shop import BASE, V1
from localmesh.xds import AdsServer, Snapshot
from localmesh.xds.messages import CLUSTER, message_class
from localmesh.xds.snapshots import Resources

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
NODE = "sidecar~web-v1-0.shop"


async def answered(port: int, node: str) -> bool:
    """Whether a caller on the loopback that says it is this proxy gets anything."""
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


def asked(host: str, node: str = NODE) -> bool:
    """The same, of a mesh whose pod is at `host`."""

    async def run() -> bool:
        ports = FreePorts()
        port = ports.take()
        places = Inventory(
            (PodEntry("shop/web-v1", "web-v1-0", host),),
            (GatewayEntry("istio-system/istio-ingressgateway", "ingress-0", host),),
        )
        ground, ads = ExternalRuntime(places, Address("127.0.0.1", port)), AdsServer()
        await ground.open(ads, lambda: None)
        try:
            made = plan(load_text(BASE + V1).resources, (), ground.addresses)
            ground.member(made.pods["shop", "web-v1-0"], ConfigData())
            ads.expect(NODE, Snapshot({CLUSTER: Resources()}))
            async with asyncio.timeout(10):
                return await answered(port, node)
        finally:
            await ads.stop()
            await ground.close()
            ports.close()

    return asyncio.run(run())


def test_the_pod_itself_is_answered() -> None:
    """It calls from the address that its place has."""
    assert asked("127.0.0.1")


def test_a_caller_from_elsewhere_is_refused_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever says to be a pod that is at another address gets nothing."""
    with caplog.at_level(logging.WARNING):
        answer = asked("192.0.2.1")

    assert not answer
    assert f"127.0.0.1 asked for what {NODE} is told, which is at 192.0.2.1" in caplog.text


def test_a_proxy_that_is_not_of_the_mesh_is_refused() -> None:
    """A name that no pod has."""
    assert not asked("127.0.0.1", "sidecar~nobody.shop")
