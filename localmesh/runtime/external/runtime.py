"""Members at given addresses: localmesh as a control plane alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import aiohttp

from localmesh.catalog import Address
from localmesh.catalog.addressing import PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.default_gateways import INGRESS, SYSTEM_NAMESPACE
from localmesh.catalog.probe import Execute
from localmesh.runtime.external.addresses import InventoryAllocator, NotInInventoryError
from localmesh.runtime.external.inventory import Inventory
from localmesh.runtime.external.pods import ExternalPod, ExternalProxy, Watch, addresses_of
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.protocols import RunningWorkload
from localmesh.xds import AdsServer

_log = logging.getLogger(__name__)


class ExternalRuntime:
    """Finds members at their places; `xds` is where proxies ask for their configuration.

    A proxy gets the configuration, and with it the certificate and key, of the pod at whose address it is,
    and of no other. `gateway_url` is where people reach the HTTP port of
    Istio's ingress gateway, where that is not its place.
    """

    def __init__(self, places: Inventory, xds: Address, gateway_url: str | None = None) -> None:
        self._addresses = InventoryAllocator(places)
        self._xds = xds
        self._gateway_url = gateway_url
        self._hosts: dict[str, str] = {}
        self._open: Watch | None = None

    @property
    def addresses(self) -> InventoryAllocator:
        """The given ones."""
        return self._addresses

    @property
    def mark(self) -> Mapping[str, str]:
        """Nothing: no process is started here."""
        return {}

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Starts `ads` where proxies have been told to ask."""
        await ads.start(self._xds.host, self._xds.port, self._admits)
        client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        self._open = Watch(ads, client, on_change)

    async def close(self) -> None:
        """Lets go of its connections."""
        if self._open is not None:
            await self._open.client.close()

    def member(self, placed: PlannedPod, config: ConfigData) -> RunningWorkload:
        """The pod and sidecar of a place. Raises NoPlaceError for a probe that cannot be asked from here."""
        del config
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        _require_probes_over_the_network(placed)
        place = self._addresses.place(f"{placed.workload.namespace}/{placed.name}")
        pod = ExternalPod(placed, place, self._addresses, self._open.on_change)
        if placed.proxy is None:
            return RunningWorkload(placed, pod)
        self._hosts[node_id(placed.proxy)] = place.host
        return RunningWorkload(placed, pod, ExternalProxy(placed.proxy, place, self._open))

    def gateway(self, planned: PlannedGateway) -> ExternalProxy:
        """The gateway of a place."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        proxy = planned.proxy
        place = self._addresses.gateway_place(planned.workload, planned.ordinal)
        self._hosts[node_id(proxy)] = place.host
        is_ingress = (proxy.namespace, proxy.workload) == (SYSTEM_NAMESPACE, INGRESS)
        return ExternalProxy(proxy, place, self._open, self._gateway_url if is_ingress else None)

    async def _admits(self, proxy: str, caller: str) -> bool:
        host = self._hosts.get(proxy)
        if host is None:
            return False
        known = await addresses_of(host)
        if caller not in known:
            where = ", ".join(known) or "nowhere yet"
            _log.warning(
                "%s asked for what %s is told, which is at %s (%s): refused", caller, proxy, host, where
            )
        return caller in known


def _require_probes_over_the_network(placed: PlannedPod) -> None:
    for container in placed.workload.containers:
        for probe in (container.startup, container.readiness, container.liveness):
            if probe is not None and isinstance(probe.action, Execute):
                raise NotInInventoryError(
                    f"Deployment {placed.workload.namespace}/{placed.workload.name}: a probe of container "
                    f"{container.name} is a command, which cannot be run in a container that localmesh has "
                    "not started: use httpGet or tcpSocket"
                )
