"""The runtime of `localmesh serve`: pods that are started elsewhere, at given addresses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiohttp

from localmesh.catalog import Address
from localmesh.catalog.addressing import PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.default_gateways import INGRESS, SYSTEM_NAMESPACE
from localmesh.catalog.probe import Execute
from localmesh.runtime.external.addresses import InventoryAllocator, NotInInventoryError
from localmesh.runtime.external.inventory import Inventory
from localmesh.runtime.external.pods import ExternalApplication, ExternalProxy, Watch, addresses_of
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.protocols import RunningPod
from localmesh.xds import AdsServer

_log = logging.getLogger(__name__)


class ExternalRuntime:
    """Finds pods and gateways by the inventory; proxies connect to `xds`.

    A proxy gets its configuration, with its certificate and key, only at the address of its pod.
    `gateway_urls` are where people reach ports of Istio's ingress gateway, if that is not its host.
    """

    def __init__(
        self, inventory: Inventory, xds: Address, gateway_urls: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        self._addresses = InventoryAllocator(inventory)
        self._xds = xds
        self._gateway_urls = gateway_urls
        self._hosts: dict[str, str] = {}
        self._open: Watch | None = None
        self.api_url = ""

    @property
    def addresses(self) -> InventoryAllocator:
        """The addresses of the inventory."""
        return self._addresses

    @property
    def owner_environment(self) -> Mapping[str, str]:
        """Nothing: no process is started here."""
        return {}

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Starts `ads` where proxies connect."""
        await ads.start(self._xds.host, self._xds.port, self._may_connect)
        client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        self._open = Watch(ads, client, on_change)

    async def close(self) -> None:
        """Closes the connections to proxies."""
        if self._open is not None:
            await self._open.client.close()

    @property
    def programs(self) -> None:
        """None: the containers have been started elsewhere."""
        return None

    def pod(self, planned: PlannedPod, config: ConfigData) -> RunningPod:
        """The pod and its sidecar. Raises NotInInventoryError for a probe that cannot be run from here."""
        del config
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        _require_network_probes(planned)
        entry = self._addresses.entry(f"{planned.workload.namespace}/{planned.name}")
        application = ExternalApplication(planned, entry, self._addresses, self._open.on_change)
        if planned.proxy is None:
            return RunningPod(planned, application)
        self._hosts[node_id(planned.proxy)] = entry.host
        return RunningPod(planned, application, ExternalProxy(planned.proxy, entry, self._open))

    def gateway(self, planned: PlannedGateway) -> ExternalProxy:
        """A pod of a gateway."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        proxy = planned.proxy
        entry = self._addresses.gateway_entry(planned.workload, planned.ordinal)
        self._hosts[node_id(proxy)] = entry.host
        is_ingress = (proxy.namespace, proxy.workload) == (SYSTEM_NAMESPACE, INGRESS)
        return ExternalProxy(proxy, entry, self._open, self._gateway_urls if is_ingress else {})

    async def _may_connect(self, proxy: str, caller: str) -> bool:
        host = self._hosts.get(proxy)
        if host is None:
            return False
        addresses = await addresses_of(host)
        if caller not in addresses:
            known = ", ".join(addresses) or "without an address yet"
            _log.warning(
                "%s asked for the configuration of %s, which is at %s (%s): refused",
                *(caller, proxy, host, known),
            )
        return caller in addresses


def _require_network_probes(planned: PlannedPod) -> None:
    for container in planned.workload.containers:
        for probe in (container.startup, container.readiness, container.liveness):
            if probe is not None and isinstance(probe.action, Execute):
                raise NotInInventoryError(
                    f"Deployment {planned.workload.namespace}/{planned.workload.name}: a probe of container "
                    f"{container.name} is a command, which cannot be run in a container that localmesh has "
                    "not started: use httpGet or tcpSocket"
                )
