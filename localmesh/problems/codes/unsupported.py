"""SM3xx: what works on Kubernetes with Istio and localmesh does not support yet."""

from localmesh.problems.problem import Code

FIELD_NOT_SUPPORTED = Code(
    "SM301",
    "localmesh does not support a field",
    "not supported by localmesh",
    "{remedy}",
)
KIND_NOT_SUPPORTED = Code(
    "SM302",
    "localmesh does not support a kind",
    "{kind} ({group}) is not supported by localmesh{reason}",
    "remove the object for local runs, or run on a cluster",
)
VALUE_NOT_SUPPORTED = Code(
    "SM303",
    "localmesh does not support a value",
    "{found} is not supported by localmesh, which supports {expected}",
    "{remedy}",
)
