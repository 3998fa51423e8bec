"""The words for the filter chains of a gateway's listener: one for each set of hosts that clients ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.diff.edits import ABSENT, Edit, reordered
from localmesh.diff.formats import compact, or_json, with_rest
from localmesh.diff.phrases import Label, Phrase, Words
from localmesh.diff.route_words import shares, shares_text

Json = Mapping[str, Any]

_CHAINS = "filterChains"
TCP_PROXY = "envoy.filters.network.tcp_proxy"


def chain_phrases(before: Sequence[Json], after: Sequence[Json], resource: str) -> list[Phrase]:
    """The changes of the filter chains of a listener; each has the hosts that it is about."""
    old, new = _by_hosts(before), _by_hosts(after)
    phrases: list[Phrase] = []
    for name in {**old, **new}:
        chain, other = old.get(name, ABSENT), new.get(name, ABSENT)
        if ABSENT in (chain, other):
            text = f"added, {_chain(new[name])}" if chain is ABSENT else f"removed, {_chain(old[name])}"
            phrases.append(Phrase(text, (Edit((_CHAINS, f"[{name}]"), chain, other),), name))
        else:
            changed = _WORDS.phrases(chain, other, resource)
            phrases += [phrase.below(_CHAINS, f"[{name}]").of(name) for phrase in changed]
    if order := reordered(old, new):
        phrases.append(Phrase("order of filter chains", (order.below(_CHAINS),)))
    return phrases


def _by_hosts(chains: Sequence[Json]) -> dict[str, Json]:
    """The chains by what they are for; Envoy accepts one for each."""
    by_hosts: dict[str, Json] = {}
    for chain in chains:
        name = _hosts(chain)
        while name in by_hosts:
            name += "+"
        by_hosts[name] = chain
    return by_hosts


def _hosts(chain: Json) -> str:
    match = chain.get("filterChainMatch", {})
    names = ", ".join(match.get("serverNames", ()))
    if names:
        return with_rest(f"TLS for {names}", match, "serverNames")
    return with_rest("TLS for any host" if "transportSocket" in chain else "plain text", match)


def _chain(chain: Json) -> str:
    does = _filters(chain.get("filters", ()))
    return f"{does}; {server_socket(chain['transportSocket'])}" if "transportSocket" in chain else does


@or_json
def _filters(filters: Sequence[Json]) -> str:
    """What is done with a connection: it is passed on, or its requests are routed."""
    texts = []
    for network_filter in filters:
        settings = network_filter.get("typedConfig", {})
        if network_filter.get("name") == TCP_PROXY:
            texts.append(f"to {shares_text(shares({'route': settings}), '')}")
        else:
            texts.append(f"routes {settings['rds']['routeConfigName']}" if "rds" in settings else "HTTP")
    return ", ".join(texts)


@or_json
def server_socket(socket: Json) -> str:
    """The certificate of a server, and what it wants from clients."""
    context = socket.get("typedConfig", {})
    common = context.get("commonTlsContext", {})
    parts = [f"certificate {certificates(common)}"]
    if context.get("requireClientCertificate"):
        parts.append(f"client certificates required, verified with {trusted(common)}")
    parts += [f"{name} {compact(value)}" for name, value in common.get("tlsParams", {}).items()]
    return ", ".join(parts)


def certificates(common: Json) -> str:
    """The certificates of a TLS context, by the names of their secrets."""
    names = [_secret(entry["name"]) for entry in common.get("tlsCertificateSdsSecretConfigs", ())]
    return ", ".join(names) or "none"


def trusted(common: Json) -> str:
    """The secret with which a TLS context verifies the certificate of the other side; "" for none."""
    combined = common.get("combinedValidationContext", {})
    config = combined.get("validationContextSdsSecretConfig", common.get("validationContextSdsSecretConfig"))
    return _secret(config["name"]) if config else ""


def _secret(name: str) -> str:
    own = {"default": "of the mesh", "ROOTCA": "the root certificate of the mesh"}
    return own.get(name, name.removeprefix("kubernetes://"))


_WORDS = Words(
    labels={
        ("filters",): Label("connections go", _filters),
        ("transportSocket",): Label("TLS", server_socket),
    },
    implied={},
)
