"""What a name that leads nowhere was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches

from localmesh.manifests.references.world import CLUSTER_DOMAIN, World


def host_hint(world: World, host: str) -> tuple[str, str]:
    """Why a full host is no Service, in half a sentence, and the remedy."""
    if f"{host}.{CLUSTER_DOMAIN}" in world.services:
        return "; a name with a dot is taken as it is", f"write {host}.{CLUSTER_DOMAIN}"
    if host.endswith(".svc") and f"{host}.cluster.local" in world.services:
        return "; a name with a dot is taken as it is", f"write {host}.cluster.local"
    name, _, rest = host.partition(".")
    elsewhere = [service for service in world.services.values() if service.resource.name == name]
    if elsewhere:
        return f"; there is {elsewhere[0].subject}", f"write {elsewhere[0].host}"
    if not rest.endswith(CLUSTER_DOMAIN):
        return (
            "",
            "correct the name; hosts outside the mesh need a ServiceEntry",
        )
    namespace = rest.removesuffix(f".{CLUSTER_DOMAIN}")
    beside = [
        service.resource.name
        for service in world.services.values()
        if service.resource.namespace == namespace
    ]
    if close := get_close_matches(name, beside, n=1):
        return "", f"write {close[0]}, or define the Service {namespace}/{name}"
    return "", f"correct the name, or define the Service {namespace}/{name}"
