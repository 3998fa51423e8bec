"""Which probes work for a container that localmesh has not started."""

from __future__ import annotations

import asyncio

import pytest

from localmesh.catalog import Address
from localmesh.catalog.config_data import ConfigData
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.external.addresses import NotInInventoryError
from localmesh.runtime.external.inventory import Inventory, PodEntry
from localmesh.runtime.external.runtime import ExternalRuntime
from localmesh.runtime.protocols import RunningPod
from localmesh.tests.mesh.shop import V1
from localmesh.xds import AdsServer

COMMAND = '{exec: {command: ["true"]}}'
GET = "{httpGet: {path: /, port: 8080}}"


def pod_with(probe: str) -> RunningPod:
    """A pod with this readiness probe, not started."""

    async def run() -> RunningPod:
        inventory = Inventory((PodEntry("shop/web-v1", "web-v1-0", "web"),))
        runtime, ads = ExternalRuntime(inventory, Address("127.0.0.1", 0)), AdsServer()
        await runtime.open(ads, lambda: None)
        try:
            manifest = V1.replace("8080}]", f"8080}}], readinessProbe: {probe}")
            desired = plan(load_text(manifest).resources, (), runtime.addresses)
            return runtime.pod(desired.pods["shop", "web-v1-0"], ConfigData())
        finally:
            await ads.stop()
            await runtime.close()

    return asyncio.run(run())


def test_a_network_probe_is_accepted() -> None:
    """It is sent from where the control plane runs, as by a kubelet."""
    assert pod_with(GET).planned.name == "web-v1-0"


def test_an_exec_probe_is_refused() -> None:
    """The message names the Deployment, the container and the alternative."""
    expected = "Deployment shop/web-v1: a probe of container web is a command.*use httpGet"

    with pytest.raises(NotInInventoryError, match=expected):
        pod_with(COMMAND)
