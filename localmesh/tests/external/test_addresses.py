"""Addresses of the inventory, and the errors for pods that it does not contain."""

from __future__ import annotations

import pytest

from localmesh.catalog import Address
from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.external.addresses import InventoryAllocator, NotInInventoryError
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

INVENTORY = Inventory(
    pods=(
        PodEntry("shop/web-v1", "web-v1-0", "web-v1"),
        PodEntry("shop/web-v2", "web-v2-0", "127.0.0.1", application={8080: 21000}, inbound={8080: 21001}),
    ),
    gateways=(GatewayEntry("istio-system/istio-ingressgateway", "gateway-0", "gateway", ports={8080: 8888}),),
)
MANIFESTS = BASE + V1 + V2 + routed(v1=1)


def web_v1(extra: str = "") -> Workload:
    """The workload of the first version."""
    (deployment,) = load_text(V1.replace("8080}]", f"8080}}]{extra}")).resources
    return workload(deployment)


def test_pods_have_the_addresses_of_the_inventory() -> None:
    """Sidecars listen on all addresses of their pod, or on the loopback if pods share it."""
    desired = plan(load_text(MANIFESTS).resources, (), InventoryAllocator(INVENTORY))

    listening = {name: pod.proxy.inbound[0].listen for (_, name), pod in desired.pods.items() if pod.proxy}
    applications = {
        name: pod.proxy.inbound[0].application for (_, name), pod in desired.pods.items() if pod.proxy
    }

    assert listening == {"web-v1-0": Address("0.0.0.0", 18080), "web-v2-0": Address("127.0.0.1", 21001)}
    assert applications == {
        "web-v1-0": Address("127.0.0.1", 8080),
        "web-v2-0": Address("127.0.0.1", 21000),
    }
    assert [gateway.proxy.listen for gateway in desired.gateways.values()] == [
        {8080: Address("0.0.0.0", 8888)}
    ]


def test_other_pods_use_the_resolved_address() -> None:
    """The port is the sidecar's, the address the current one of the pod's host."""
    desired = plan(load_text(MANIFESTS).resources, (), InventoryAllocator(INVENTORY))

    pod = desired.pods["shop", "web-v1-0"].as_endpoint(ready=True, host="172.18.0.5")

    assert pod.addresses == {8080: Address("172.18.0.5", 18080)}


def test_more_replicas_than_entries_are_refused() -> None:
    """The message says how many replicas there are, and which entries."""
    with pytest.raises(NotInInventoryError, match=r"shop/web-v1 has 1 replicas.*contains 0 of them \(none\)"):
        InventoryAllocator(Inventory()).pod(web_v1(), 0)


def test_a_gateway_without_an_entry_is_refused() -> None:
    """The message names the gateways that have one."""
    message = r"the gateway shop/web-v1 has 1 replicas.*contains 0 .*\(gateways: istio-system/istio-"
    with pytest.raises(NotInInventoryError, match=message):
        InventoryAllocator(INVENTORY).gateway(web_v1(), 0, 8080)


def test_containers_may_change_only_while_nothing_runs() -> None:
    """Labels belong to the control plane and may change; the environment belongs to the container."""
    addresses = InventoryAllocator(INVENTORY)
    changed = web_v1(", env: [{name: A, value: b}]")
    addresses.add_running("web-v1-0", web_v1())

    assert addresses.pod(web_v1(), 0) == "web-v1-0"
    with pytest.raises(
        NotInInventoryError,
        match="Deployment shop/web-v1 have changed, and the running pod web-v1-0",
    ):
        addresses.pod(changed, 0)
    addresses.remove_running("web-v1-0", web_v1())
    assert addresses.pod(changed, 0) == "web-v1-0"


def test_entries_keep_the_order_of_the_file() -> None:
    """The first entry of a workload is its first pod."""
    inventory = Inventory((PodEntry("shop/web-v1", "b", "b"), PodEntry("shop/web-v1", "a", "a")))

    assert [InventoryAllocator(inventory).pod(web_v1(), ordinal) for ordinal in (0, 1)] == ["b", "a"]
