"""How names, addresses, durations and percentages are written in Envoy's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import Address
from localmesh.formats.durations import nanoseconds

Json = dict[str, Any]

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
ALLOW_ANY = "allow_any"
BLOCK_ALL = "block_all"
_OBJECTS = "/apis/networking.istio.io/v1/namespaces/"

ADS: Json = {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}
"""The source of a resource that the proxy gets over the ADS stream that it already has."""
CREDENTIALS: Json = {"ads": {}, "initialFetchTimeout": "3s", "resourceApiVersion": "V3"}
"""The source of a certificate that may not exist: what uses it must not wait for it for ever.

Istio has Envoy's default of 15 s. The manifests here are complete, so what is not there at once does not
come, and the start of a mesh waits for its listeners.
"""
DNS_CACHE: Json = {"name": "passthrough", "dnsLookupFamily": "V4_PREFERRED"}
"""How hosts that only the caller knows are looked up; the cluster and the filter in front of it share it."""
HUNDRED_PERCENT: Mapping[str, Any] = {"numerator": 100, "denominator": "HUNDRED"}

_DYNAMIC_FORWARD_PROXY = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
_SECOND = 10**9


NO_CLUSTER = "UnknownService"
"""The cluster, which does not exist, of a backend that a route of the Gateway API must not use."""


def outbound_cluster(host: str, port: int, subset: str = "") -> str:
    """The name of the cluster of a host's port and subset.

    >>> outbound_cluster("logic.sentimesh.svc.cluster.local", 80, "v1")
    'outbound|80|v1|logic.sentimesh.svc.cluster.local'
    """
    return f"outbound|{port}|{subset}|{host}"


def passed_on_cluster(host: str, port: int) -> str:
    """The name of the cluster for a port of a Service that the proxy does not see.

    >>> passed_on_cluster("logic.sentimesh.svc.cluster.local", 80)
    'PassthroughCluster|80|logic.sentimesh.svc.cluster.local'
    """
    return f"{PASSTHROUGH}|{port}|{host}"


def is_passed_on(cluster: str) -> bool:
    """Whether a cluster is for hosts, or for one host, that the proxy does not know."""
    return cluster.partition("|")[0] == PASSTHROUGH


def server_name(host: str, port: int, subset: str = "") -> str:
    """The name that a proxy asks for in TLS (SNI): the cluster's, in characters that a DNS name may have.

    >>> server_name("logic.sentimesh.svc.cluster.local", 80, "v1")
    'outbound_.80_.v1_.logic.sentimesh.svc.cluster.local'
    """
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound_cluster(container_port: int) -> str:
    """The name of the cluster through which a sidecar reaches its own application: ``inbound|8080||``."""
    return f"inbound|{container_port}||"


def virtual_host_name(host: str, port: int) -> str:
    """The name of a host's virtual host: ``host:port``."""
    return f"{host}:{port}"


def socket_address(address: Address) -> Json:
    """An address as Envoy writes it."""
    return {"socketAddress": {"address": address.host, "portValue": address.port}}


def address_of(written: Mapping[str, Any]) -> Address:
    """The address that `socket_address` has written."""
    socket = written["socketAddress"]
    return Address(socket["address"], socket["portValue"])


def endpoint_address(address: Address) -> Json:
    """An endpoint at a socket address."""
    return {"address": socket_address(address)}


def config_name(kind: str, namespace: str, name: str) -> str:
    """How Istio's metadata name the object that a route or cluster was made from.

    >>> config_name("virtual-service", "shop", "web")
    '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web'
    """
    return f"{_OBJECTS}{namespace}/{kind}/{name}"


def object_of_config(text: str) -> str:
    """The object that `config_name` names, as `namespace/name`; "" if the text is no such name.

    >>> object_of_config(config_name("virtual-service", "shop", "web")), object_of_config("")
    ('shop/web', '')
    """
    parts = text.removeprefix(_OBJECTS).split("/")
    return f"{parts[0]}/{parts[2]}" if text.startswith(_OBJECTS) and len(parts) == 3 else ""


def dynamic_forward_proxy() -> Json:
    """The discovery of a cluster whose one endpoint is the host of each request, looked up by the proxy."""
    return {
        "lbPolicy": "CLUSTER_PROVIDED",
        "clusterType": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typedConfig": {
                "@type": f"type.googleapis.com/{_DYNAMIC_FORWARD_PROXY}",
                "dnsCacheConfig": DNS_CACHE,
                "allowInsecureClusterOptions": True,  # plain HTTP, to a host that the caller chooses
            },
        },
    }


def duration(text: str) -> str:
    """A Go duration as protobuf's JSON: seconds with 0, 3, 6 or 9 decimals. Raises ValueError.

    >>> duration("500ms"), duration("2m"), duration("1500us")
    ('0.500s', '120s', '0.001500s')
    """
    seconds, rest = divmod(_nanoseconds(text), _SECOND)
    if not rest:
        return f"{seconds}s"
    decimals = f"{rest:09d}"
    while decimals.endswith("000"):
        decimals = decimals[:-3]
    return f"{seconds}.{decimals}s"


def whole_seconds(text: str) -> int:
    """A Go duration in seconds, rounded down. Raises ValueError."""
    return _nanoseconds(text) // _SECOND


def fraction(percent: float) -> Mapping[str, Any]:
    """A percentage as millionths, rounded down as in Istio.

    istiod: pilot/pkg/networking/core/route/route.go, `translatePercentToFractionalPercent`.

    >>> fraction(12.5)
    {'numerator': 125000, 'denominator': 'MILLION'}
    """
    return {"numerator": int(percent * 10000), "denominator": "MILLION"}


def _nanoseconds(text: str) -> int:
    length = nanoseconds(text)
    if length is None:
        raise ValueError(f"{text!r} is not a duration")  # loading has refused such manifests already
    return length
