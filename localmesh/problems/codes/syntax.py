"""SM0xx: what cannot be read."""

from localmesh.problems.problem import Code

UNREADABLE = Code(
    "SM001",
    "A file cannot be read",
    "cannot be read: {reason}",
    "{remedy}",
)
MALFORMED = Code(
    "SM002",
    "The text is not YAML",
    "not YAML: {reason}",
    "correct the YAML on this line",
)
DUPLICATE_KEY = Code(
    "SM003",
    "A key occurs twice",
    'the key "{key}" occurs twice',
    "keep one of them",
)
KUSTOMIZE_FAILED = Code(
    "SM004",
    "kustomize cannot build the folder",
    "kustomize says: {reason}",
    "{remedy}",
)
KUSTOMIZE_MISSING = Code(
    "SM005",
    "kustomize is not installed",
    "{found}",
    "install kustomize or kubectl, or set the environment variable SENTIMESH_KUSTOMIZE to the path of one",
)
NOT_AN_OBJECT = Code(
    "SM006",
    "A document is not a Kubernetes object",
    "{found}, expected an object with {expected}",
    "{remedy}",
)
UNKNOWN_KIND = Code(
    "SM007",
    "The kind is unknown",
    "{found} in {api_version} is not a kind of Kubernetes or Istio",
    "{remedy}",
)
REMOVED_VERSION = Code(
    "SM008",
    "The apiVersion was removed",
    "{found} is no longer served for {kind}; it was removed in {release}",
    "write {current}, and check the fields: some were renamed in it",
)
DUPLICATE_OBJECT = Code(
    "SM009",
    "An object is defined twice",
    "already defined in {first}",
    "remove or rename one of them",
)
