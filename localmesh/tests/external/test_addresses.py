"""Given addresses: what stands in the file of places, and what is refused because it does not."""

from __future__ import annotations

import pytest

from localmesh.catalog import Address
from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.external.addresses import InventoryAllocator, NotInInventoryError
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

PLACES = Inventory(
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


def test_a_plan_stands_at_the_given_addresses() -> None:
    """Sidecars listen on all addresses of their pod, on the loopback where pods share it."""
    made = plan(load_text(MANIFESTS).resources, (), InventoryAllocator(PLACES))

    listening = {name: pod.proxy.inbound[0].listen for (_, name), pod in made.pods.items() if pod.proxy}
    applications = {
        name: pod.proxy.inbound[0].application for (_, name), pod in made.pods.items() if pod.proxy
    }

    assert listening == {"web-v1-0": Address("0.0.0.0", 18080), "web-v2-0": Address("127.0.0.1", 21001)}
    assert applications == {
        "web-v1-0": Address("127.0.0.1", 8080),
        "web-v2-0": Address("127.0.0.1", 21000),
    }
    assert [gateway.proxy.listen for gateway in made.gateways.values()] == [{8080: Address("0.0.0.0", 8888)}]


def test_others_reach_a_pod_where_it_is_found() -> None:
    """The port is the sidecar's, the address that which the pod's host has at the moment."""
    made = plan(load_text(MANIFESTS).resources, (), InventoryAllocator(PLACES))

    pod = made.pods["shop", "web-v1-0"].as_endpoint(ready=True, host="172.18.0.5")

    assert pod.addresses == {8080: Address("172.18.0.5", 18080)}


def test_more_pods_than_places_are_refused() -> None:
    """The message says how many are wanted, and which there are."""
    with pytest.raises(
        NotInInventoryError, match=r"shop/web-v1 wants 1 pods.*of 0 where to find them \(none\)"
    ):
        InventoryAllocator(Inventory()).pod(web_v1(), 0)


def test_a_gateway_without_a_place_is_refused() -> None:
    """With the names of those that have one."""
    message = r"the gateway shop/web-v1 wants 1 pods.*of 0 .*\(gateways: istio-system/istio-ingressgateway\)"
    with pytest.raises(NotInInventoryError, match=message):
        InventoryAllocator(PLACES).gateway(web_v1(), 0, 8080)


def test_containers_may_change_only_while_nothing_runs() -> None:
    """Labels are the control plane's own and may change; an environment is the container's."""
    addresses = InventoryAllocator(PLACES)
    changed = web_v1(", env: [{name: A, value: b}]")
    addresses.hold("web-v1-0", web_v1())

    assert addresses.pod(web_v1(), 0) == "web-v1-0"
    with pytest.raises(
        NotInInventoryError, match="the containers of Deployment shop/web-v1 have changed, and pod web-v1-0"
    ):
        addresses.pod(changed, 0)
    addresses.release("web-v1-0", web_v1())
    assert addresses.pod(changed, 0) == "web-v1-0"


def test_the_places_of_the_file_keep_their_order() -> None:
    """The first entry of a workload is its first pod."""
    places = Inventory((PodEntry("shop/web-v1", "b", "b"), PodEntry("shop/web-v1", "a", "a")))

    assert [InventoryAllocator(places).pod(web_v1(), ordinal) for ordinal in (0, 1)] == ["b", "a"]
