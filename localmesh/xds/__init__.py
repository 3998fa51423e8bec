"""Delivery of configuration: encoded as protobuf and served to the proxies over ADS with ACK and NACK."""

from localmesh.envoy_messages.messages import canonical
from localmesh.xds.server import AdsServer, ConnectionPolicy, NotAcknowledgedError
from localmesh.xds.sessions import RejectedError
from localmesh.xds.snapshots import Encoder, Snapshot

__all__ = [
    "AdsServer",
    "ConnectionPolicy",
    "Encoder",
    "NotAcknowledgedError",
    "RejectedError",
    "Snapshot",
    "canonical",
]
