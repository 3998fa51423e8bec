"""What is in force: read from the mesh through the API of Kubernetes, the same locally and on a cluster."""

from loadgen.inforce.api import MeshApi, Resources
from loadgen.inforce.errors import NotInForce, NotUnderstood
from loadgen.inforce.routes import Call, Journey
from loadgen.inforce.split import Odds, Split, inner_route, odds_of, read_split
from loadgen.inforce.whereabouts import Whereabouts

__all__ = [
    "Call",
    "Journey",
    "MeshApi",
    "NotInForce",
    "NotUnderstood",
    "Odds",
    "Resources",
    "Split",
    "Whereabouts",
    "inner_route",
    "odds_of",
    "read_split",
]
