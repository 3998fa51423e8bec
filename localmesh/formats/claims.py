"""Claims of tokens as routes name them: `@request.auth.claims.group` or `@request.auth.claims[group]`."""

from __future__ import annotations

_PREFIX = "@request.auth.claims"


def claim_names(header: str) -> list[str]:
    """The names that lead to the claim of a match condition; empty if the condition is about a header.

    Istio, "JWT claim based routing"; istio: pkg/jwt/routing.go, `ToRoutingClaim`.

    >>> claim_names("@request.auth.claims.realm.roles"), claim_names("@request.auth.claims[a.b][c]")
    (['realm', 'roles'], ['a.b', 'c'])
    >>> claim_names("user-group"), claim_names("@request.auth.claims")
    ([], [])
    """
    if not header.lower().startswith(_PREFIX):
        return []
    name = header[len(_PREFIX) :]
    if name.startswith(".") and len(name) > 1:
        return name[1:].split(".")
    if name.startswith("[") and name.endswith("]") and len(name) > 2:
        return name[1:-1].split("][")
    return []


def claim_field(names: list[str]) -> str:
    """The condition about a claim, as routes may write it.

    >>> claim_field(["realm", "roles"])
    '@request.auth.claims[realm][roles]'
    """
    return _PREFIX + "".join(f"[{name}]" for name in names)
