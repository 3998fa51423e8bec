"""SM3xx: what Kubernetes and Istio can and localmesh cannot (yet)."""

from localmesh.problems.codes.code import Code

FIELD_NOT_SUPPORTED = Code(
    "SM301",
    "localmesh does not translate a field",
    "not supported by localmesh",
    "{remedy}",
)
KIND_NOT_SUPPORTED = Code(
    "SM302",
    "localmesh does not translate a kind",
    "{kind} ({group}) is not supported by localmesh{reason}",
    "leave the object away for the local run, or run it on a cluster",
)
VALUE_NOT_SUPPORTED = Code(
    "SM303",
    "localmesh does not translate a value",
    "{found} is not supported by localmesh, which knows {expected}",
    "{remedy}",
)
