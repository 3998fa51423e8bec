"""Delivery: configuration as protobuf, served to the proxies over ADS with ACK and NACK."""

from localmesh.xds.messages import canonical
from localmesh.xds.server import Admission, AdsServer, NotAcknowledgedError
from localmesh.xds.sessions import RejectedError
from localmesh.xds.snapshots import Encoder, Snapshot

__all__ = [
    "Admission",
    "AdsServer",
    "Encoder",
    "NotAcknowledgedError",
    "RejectedError",
    "Snapshot",
    "canonical",
]
