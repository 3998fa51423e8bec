"""What is configured and what pods report, read through the API of Kubernetes, locally and on a cluster."""

from loadgen.meshstate.api import MeshApi
from loadgen.meshstate.location import MeshLocation
from loadgen.meshstate.resources import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.routes import Call, CallPath, Route, inner_route
from loadgen.meshstate.split import FaultRates, Split, fault_rates_of, read_split

__all__ = [
    "Call",
    "CallPath",
    "FaultRates",
    "MeshApi",
    "MeshLocation",
    "NotConfigured",
    "Resources",
    "Route",
    "Split",
    "UnsupportedConfig",
    "fault_rates_of",
    "inner_route",
    "read_split",
]
