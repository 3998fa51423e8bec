"""What is in force: read from the mesh through the API of Kubernetes, the same locally and on a cluster."""

from loadgen.meshstate.api import MeshApi, Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.mesh_location import MeshLocation
from loadgen.meshstate.routes import Call, CallPath
from loadgen.meshstate.split import FaultRates, Split, fault_rates_of, inner_route, read_split

__all__ = [
    "Call",
    "CallPath",
    "FaultRates",
    "MeshApi",
    "MeshLocation",
    "NotConfigured",
    "Resources",
    "Split",
    "UnsupportedConfig",
    "fault_rates_of",
    "inner_route",
    "read_split",
]
