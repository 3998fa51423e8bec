"""What Kubernetes and Istio refuse beyond the shape of an object: one module per kind.

A rule is a generator over the object's root: what it finds wrong it yields, what is absent or of a
wrong type it leaves to the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from localmesh.manifests.rules.authorizationpolicy import AUTHORIZATION_POLICY_RULES
from localmesh.manifests.rules.configmap import CONFIG_MAP_RULES, SECRET_RULES
from localmesh.manifests.rules.deployment import DEPLOYMENT_RULES
from localmesh.manifests.rules.destinationrule import DESTINATION_RULE_RULES
from localmesh.manifests.rules.gateway import GATEWAY_RULES
from localmesh.manifests.rules.metadata import METADATA_RULES
from localmesh.manifests.rules.peerauthentication import PEER_AUTHENTICATION_RULES
from localmesh.manifests.rules.persistentvolumeclaim import CLAIM_RULES
from localmesh.manifests.rules.requestauthentication import REQUEST_AUTHENTICATION_RULES
from localmesh.manifests.rules.service import SERVICE_RULES
from localmesh.manifests.rules.serviceentry import SERVICE_ENTRY_RULES
from localmesh.manifests.rules.sidecar import SIDECAR_RULES
from localmesh.manifests.rules.virtualservice import VIRTUAL_SERVICE_RULES
from localmesh.problems import Problem
from localmesh.problems.fields import Field

Rule = Callable[[Field], Iterator[Problem]]

RULES: Mapping[str, tuple[Rule, ...]] = {
    "AuthorizationPolicy": AUTHORIZATION_POLICY_RULES,
    "ConfigMap": CONFIG_MAP_RULES,
    "Deployment": DEPLOYMENT_RULES,
    "DestinationRule": DESTINATION_RULE_RULES,
    "Gateway": GATEWAY_RULES,
    "PeerAuthentication": PEER_AUTHENTICATION_RULES,
    "PersistentVolumeClaim": CLAIM_RULES,
    "RequestAuthentication": REQUEST_AUTHENTICATION_RULES,
    "Secret": SECRET_RULES,
    "Service": SERVICE_RULES,
    "ServiceEntry": SERVICE_ENTRY_RULES,
    "Sidecar": SIDECAR_RULES,
    "VirtualService": VIRTUAL_SERVICE_RULES,
}
"""The rules of each kind, besides those for the metadata of all."""


def rule_problems(root: Field) -> Iterator[Problem]:
    """What Kubernetes or Istio would refuse about an object."""
    for rule in (*METADATA_RULES, *RULES.get(root.place.kind, ())):
        yield from rule(root)


__all__ = ["RULES", "Rule", "rule_problems"]
