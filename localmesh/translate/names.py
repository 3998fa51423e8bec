"""Istio's names for clusters, virtual hosts and route configurations."""

from __future__ import annotations


def outbound_cluster(host: str, port: int, subset: str = "") -> str:
    """The cluster of a host's port and subset.

    >>> outbound_cluster("logic.sentimesh.svc.cluster.local", 80, "v1")
    'outbound|80|v1|logic.sentimesh.svc.cluster.local'
    """
    return f"outbound|{port}|{subset}|{host}"


def server_name(host: str, port: int, subset: str = "") -> str:
    """The name that a proxy asks for in TLS (SNI): the cluster's, in characters that a DNS name may have.

    >>> server_name("logic.sentimesh.svc.cluster.local", 80, "v1")
    'outbound_.80_.v1_.logic.sentimesh.svc.cluster.local'
    """
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound_cluster(container_port: int) -> str:
    """The cluster through which a sidecar reaches its own application: ``inbound|8080||``."""
    return f"inbound|{container_port}||"


def virtual_host(host: str, port: int) -> str:
    """The name of a host's virtual host: ``host:port``."""
    return f"{host}:{port}"


PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
ALLOW_ANY = "allow_any"
BLOCK_ALL = "block_all"
