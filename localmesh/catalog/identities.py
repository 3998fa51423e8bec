"""SPIFFE identities: the names that proxies prove to each other."""

from __future__ import annotations

TRUST_DOMAIN = "cluster.local"
SPIFFE = "spiffe://"


def identity(namespace: str, service_account: str) -> str:
    """The identity of all pods with a ServiceAccount.

    >>> identity("sentimesh", "logic")
    'spiffe://cluster.local/ns/sentimesh/sa/logic'
    """
    return f"{SPIFFE}{TRUST_DOMAIN}/ns/{namespace}/sa/{service_account}"
