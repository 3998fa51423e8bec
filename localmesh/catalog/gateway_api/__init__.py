"""The Gateway API as Istio implements it: its objects become Istio's own, as in istiod.

Gateways and ListenerSets become Istio Gateways with one server each, and a Deployment and a Service; routes
become VirtualServices. istiod: pilot/pkg/config/kube/gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.gateway_api.backend_tls import tls_policies
from localmesh.catalog.gateway_api.deployments import managed_objects, service_hosts
from localmesh.catalog.gateway_api.derived import derived
from localmesh.catalog.gateway_api.inputs import Inputs
from localmesh.catalog.gateway_api.listeners import Listener, listeners_of, own_gateways
from localmesh.catalog.gateway_api.routes import route_objects
from localmesh.catalog.gateway_api.statuses import class_statuses, gateway_statuses
from localmesh.catalog.gateway_api.transitions import with_times
from localmesh.catalog.gateways import GATEWAY_SERVICE, PARENT_NAMESPACE
from localmesh.catalog.objects import Objects
from localmesh.kinds.gateway_api import GROUP
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

__all__ = ["GatewayApi", "gateway_api"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GatewayApi:
    """What the objects of the Gateway API become.

    `configuration` are Istio's own objects, `workloads` Deployments and Services;
    `statuses` those of the objects of the Gateway API by kind, namespace and name.
    """

    configuration: tuple[Resource, ...] = ()
    workloads: tuple[Resource, ...] = ()
    statuses: Mapping[tuple[str, str, str], Json] = field(default_factory=dict)

    def status_of(self, resource: Resource) -> Json | None:
        """The status of an object; None if it has none."""
        if resource.group != GROUP:
            return None
        return self.statuses.get((resource.kind, resource.namespace, resource.name))


def gateway_api(objects: Objects, config: ConfigData, before: GatewayApi | None = None) -> GatewayApi:
    """Converts all objects of the Gateway API; conditions that are as `before` keep their times."""
    inputs = Inputs(objects, config)
    gateways = own_gateways(inputs)
    by_gateway = [(gateway, listeners_of(inputs, gateway)) for gateway in gateways]
    listeners = [listener for _, of_gateway in by_gateway for listener in of_gateway]
    served = [listener for listener in listeners if listener.has_server]
    routes, policies = route_objects(inputs, served), tls_policies(inputs)
    workloads = [item for gateway, of in by_gateway for item in managed_objects(gateway, of)]
    statuses = (
        *class_statuses(inputs),
        *gateway_statuses(inputs, by_gateway, routes.attached),
        *routes.statuses,
        *policies.statuses,
    )
    return GatewayApi(
        configuration=(*_istio_gateways(served), *routes.virtual_services, *policies.rules),
        workloads=tuple(workloads),
        statuses=with_times(
            {(item.kind, item.namespace, item.name): status for item, status in statuses},
            before.statuses if before else {},
            datetime.now(UTC),
        ),
    )


def _istio_gateways(listeners: Iterable[Listener]) -> Iterator[Resource]:
    """The Istio Gateways of the listeners that are valid."""
    for listener in listeners:
        if not listener.is_valid:
            continue
        hosts, _ = service_hosts(listener.gateway)
        annotations = {GATEWAY_SERVICE: ",".join(hosts)}
        if listener.gateway.namespace != listener.owner.namespace:
            annotations[PARENT_NAMESPACE] = listener.gateway.namespace
        yield derived(
            "networking.istio.io/v1",
            "Gateway",
            listener.internal_name.partition("/")[2],
            {"servers": [listener.server()]},
            source=listener.owner,
            annotations=annotations,
            origins={FieldPath("spec", "servers"): (listener.owner, listener.path)},
        )
