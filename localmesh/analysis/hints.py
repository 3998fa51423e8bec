"""What a name that leads nowhere was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches

from localmesh.analysis.world import World
from localmesh.formats.hostnames import SERVICE_DOMAIN

MOST_CANDIDATES = 200
"""Among more names none is suggested: comparing 3,000 names with 3,000 others took 98 s."""


def host_hint(world: World, host: str) -> tuple[str, str]:
    """Why a full host is no Service, in half a sentence, and the remedy."""
    if f"{host}.{SERVICE_DOMAIN}" in world.services:
        return "; a name with a dot is taken as it is", f"write {host}.{SERVICE_DOMAIN}"
    if host.endswith(".svc") and f"{host}.cluster.local" in world.services:
        return "; a name with a dot is taken as it is", f"write {host}.cluster.local"
    name, _, rest = host.partition(".")
    elsewhere = world.services_by_name.get(name, [])
    if elsewhere:
        return f"; there is {elsewhere[0].subject}", f"write {elsewhere[0].host}"
    if not rest.endswith(SERVICE_DOMAIN):
        return "", "correct the name; hosts outside the mesh need a ServiceEntry"
    namespace = rest.removesuffix(f".{SERVICE_DOMAIN}")
    beside = world.names_by_namespace.get(namespace, [])
    if len(beside) <= MOST_CANDIDATES and (close := get_close_matches(name, beside, n=1)):
        return "", f"write {close[0]}, or define the Service {namespace}/{name}"
    return "", f"correct the name, or define the Service {namespace}/{name}"
