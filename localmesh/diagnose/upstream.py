"""Whose proxy wrote an entry of an access log, and what it called: from the name of Istio's cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from localmesh.formats.access_log import LogEntry

_CLUSTER = re.compile(r"(?P<direction>inbound|outbound)\|(?P<port>\d+)\|(?P<subset>[^|]*)\|(?P<host>.*)")
_SERVER_NAME = re.compile(r"outbound_\.(?P<port>\d+)_\.(?P<subset>[^_]*)_\.(?P<host>.+)")


class Side(Enum):
    """Which proxy of a call wrote the entry."""

    CALLER = "the proxy of the caller: its sidecar, or a gateway"
    CALLED = "the proxy of the called workload"
    UNKNOWN = "a proxy of the caller or of the called workload; the entry does not say which"


@dataclass(frozen=True)
class Upstream:
    """What a proxy called, or would have called; "" for what the entry does not say."""

    side: Side
    host: str = ""
    port: str = ""
    subset: str = ""

    @property
    def service(self) -> str:
        """The name of the Kubernetes Service, or the whole host."""
        return self.host.split(".")[0] if ".svc." in self.host else self.host

    @property
    def namespace(self) -> str:
        """The namespace of the Kubernetes Service."""
        return self.host.split(".")[1] if ".svc." in self.host else ""


def upstream_of(entry: LogEntry) -> Upstream:
    """What the entry says about the call.

    Istio names a cluster `outbound|PORT|SUBSET|HOST` or `inbound|PORT||`; sidecars call each other with the
    first one, with `_.` for `|`, as server name.
    """
    if match := _CLUSTER.fullmatch(entry.upstream_cluster):
        side = Side.CALLER if match["direction"] == "outbound" else Side.CALLED
        if side is Side.CALLED and (called := _SERVER_NAME.fullmatch(entry.requested_server_name)):
            return Upstream(side, called["host"], match["port"], called["subset"])
        return Upstream(side, match["host"], match["port"], match["subset"])
    if entry.upstream_cluster == "InboundPassthroughCluster":
        return Upstream(Side.CALLED)
    if entry.upstream_cluster.partition("|")[0] in ("PassthroughCluster", "BlackHoleCluster"):
        return Upstream(Side.CALLER, entry.authority.rpartition(":")[0] or entry.authority)
    if called := _SERVER_NAME.fullmatch(entry.requested_server_name):
        return Upstream(Side.CALLED, called["host"], called["port"], called["subset"])
    return Upstream(Side.UNKNOWN)
