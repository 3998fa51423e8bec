"""What cannot be asked of a container that somebody else has started."""

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
from localmesh.runtime.protocols import RunningWorkload
from localmesh.tests.mesh.shop import V1
from localmesh.xds import AdsServer

COMMAND = '{exec: {command: ["true"]}}'
GET = "{httpGet: {path: /, port: 8080}}"


def member_with(probe: str) -> RunningWorkload:
    """The member of a pod with this readiness probe, not started."""

    async def run() -> RunningWorkload:
        places = Inventory((PodEntry("shop/web-v1", "web-v1-0", "web"),))
        ground, ads = ExternalRuntime(places, Address("127.0.0.1", 0)), AdsServer()
        await ground.open(ads, lambda: None)
        try:
            manifest = V1.replace("8080}]", f"8080}}], readinessProbe: {probe}")
            made = plan(load_text(manifest).resources, (), ground.addresses)
            return ground.member(made.pods["shop", "web-v1-0"], ConfigData())
        finally:
            await ads.stop()
            await ground.close()

    return asyncio.run(run())


def test_a_probe_over_the_network_is_asked() -> None:
    """From where the control plane is, as a kubelet asks."""
    assert member_with(GET).placed.name == "web-v1-0"


def test_a_probe_that_is_a_command_is_refused() -> None:
    """With the Deployment, the container and what to write instead."""
    expected = "Deployment shop/web-v1: a probe of container web is a command.*use httpGet"

    with pytest.raises(NotInInventoryError, match=expected):
        member_with(COMMAND)
