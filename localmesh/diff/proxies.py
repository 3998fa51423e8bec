"""The changes between two configurations of one proxy.

Every list of a `ProxyConfig` is compared resource by resource, and each difference becomes part of a change:
one that there are no words for is shown as it is. So there is no change if and only if both are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from localmesh.catalog import ProxyKind
from localmesh.diff.cluster_words import CLUSTER_WORDS, ENDPOINT_WORDS, whole_text
from localmesh.diff.edits import ABSENT, Edit, masked, named, reordered
from localmesh.diff.formats import short_host
from localmesh.diff.listener_words import listener_phrases
from localmesh.diff.missing import newly_missing, notes
from localmesh.diff.phrases import Phrase, Words
from localmesh.diff.policy_words import policy_phrases
from localmesh.diff.routes import NO_ROUTES, configuration_phrases
from localmesh.translate import ProxyConfig
from localmesh.translate.formats import ALLOW_ANY, BLOCK_ALL
from localmesh.translate.passed_on import OF_PASSED_ON
from localmesh.translate.tunnel_routes import OF_TCP

Resources = tuple[dict[str, Any], ...]

ITSELF = ""
"""The subject of changes that concern the proxy as a whole."""
_KNOWN_LISTS = {
    "listeners",
    "scopes",
    "routes",
    "further_routes",
    "clusters",
    "endpoints",
    "policies",
    "secrets",
}


@dataclass(frozen=True, slots=True)
class ResourceEdit:
    """An edit, and the resource of Envoy that it is in, such as ``clusters/outbound|80||web``."""

    resource: str
    edit: Edit


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for a proxy, and where that is in its configuration.

    `subject` is what the change is about, such as ``→ web.shop:80``; `part` the rule or subset that has it.
    """

    subject: str
    part: str
    text: str
    edits: tuple[ResourceEdit, ...]


class Comparison:
    """Compares the configurations of proxies; lists that several proxies share are compared once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[object, list[Change]]] = {}

    def changes(self, before: ProxyConfig, after: ProxyConfig, kind: ProxyKind) -> tuple[Change, ...]:
        """All changes, in the order of what a request meets; those with the same text are one."""
        if before is after or before == after:
            return ()
        destinations = (before.clusters, before.endpoints), (after.clusters, after.endpoints)
        found = [
            *self._once(_listeners, before.listeners, after.listeners, kind),
            *self._once(_policies, before.policies, after.policies, kind),
            *self._once(_routes, before.routes, after.routes, kind),
            *self._once(_further_routes, before.further_routes, after.further_routes, kind),
            *self._once(_scopes, before.scopes, after.scopes, kind),
            *_destinations(*destinations),
            *self._once(_secrets, before.secrets, after.secrets, kind),
            *_further_lists(before, after),
        ]
        missing = newly_missing(before, after)
        return tuple(_with_missing(change, missing) for change in _merged(found))

    def _once(
        self,
        compare: Callable[[Resources, Resources, ProxyKind], Iterable[Change]],
        before: Resources,
        after: Resources,
        kind: ProxyKind,
    ) -> list[Change]:
        key = (compare, id(before), id(after), kind)
        if key not in self._known:
            # the lists are kept, so that no other list can get their identity
            self._known[key] = (before, after), list(compare(before, after, kind))
        return self._known[key][1]


def _with_missing(change: Change, missing: list[str]) -> Change:
    """The change; if a destination of a route no longer exists after it, it says so."""
    said = notes((part.edit for part in change.edits), missing)
    return replace(change, text="; ".join((change.text, *said))) if said else change


def _merged(changes: Iterable[Change]) -> Iterator[Change]:
    merged: dict[tuple[str, str, str], Change] = {}
    for change in changes:
        key = change.subject, change.part, change.text
        known = merged.get(key)
        edits = (*known.edits, *change.edits) if known else change.edits
        merged[key] = Change(*key, edits)
    return iter(merged.values())


def _pairs(before: Resources, after: Resources, key: str = "name") -> dict[str, tuple[Any, Any]]:
    """The resources that differ, by name."""
    old, new = named(before, key), named(after, key)
    pairs = {name: (old.get(name, ABSENT), new.get(name, ABSENT)) for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] is not pair[1] and pair[0] != pair[1]}


def _order(kind: str, before: Resources, after: Resources, key: str = "name") -> Iterator[Change]:
    if order := reordered(named(before, key), named(after, key)):
        yield Change(ITSELF, "", f"order of {kind}", (ResourceEdit(kind, order),))


def _changes(subject: str, resource: str, phrases: Iterable[Phrase]) -> Iterator[Change]:
    for phrase in phrases:
        edits = tuple(ResourceEdit(resource, edit) for edit in phrase.edits)
        yield Change(subject, phrase.part, phrase.text, edits)


def _listeners(before: Resources, after: Resources, _kind: ProxyKind) -> Iterator[Change]:
    for name, pair in _pairs(before, after).items():
        direction, _, port = name.partition("_")
        subject = f"incoming requests, port {port}" if direction == "inbound" else f"listener {name}"
        yield from _changes(subject, f"listeners/{name}", listener_phrases(*pair, f"listeners/{name}"))
    yield from _order("listeners", before, after)


def _policies(before: Resources, after: Resources, kind: ProxyKind) -> Iterator[Change]:
    subject = "incoming requests" if kind is ProxyKind.SIDECAR else "all requests"
    for name, pair in _pairs(before, after).items():
        yield from _changes(subject, f"policies/{name}", policy_phrases(*pair, f"policies/{name}"))
    yield from _order("policies", before, after)


def _routes(before: Resources, after: Resources, _kind: ProxyKind) -> Iterator[Change]:
    for name, pair in _pairs(before, after).items():
        resource = f"routes/{name}"
        for host, phrase in configuration_phrases(*pair, resource):
            port = name.removeprefix("http.").rpartition("|")[2]
            subject = _host_subject(host, port) if host else f"requests to port {port}"
            yield from _changes(subject, resource, [phrase])
    yield from _order("routes", before, after)


def _host_subject(virtual_host: str, port: str) -> str:
    if virtual_host.partition(":")[0] == NO_ROUTES:
        return f"→ any host, port {virtual_host.rpartition(':')[2]}"
    if virtual_host in (ALLOW_ANY, BLOCK_ALL):
        return f"→ unknown hosts, port {port}"
    virtual_host = virtual_host.removeprefix(OF_PASSED_ON)
    if virtual_host.startswith(OF_TCP):
        return f"{_to(*virtual_host.removeprefix(OF_TCP).rpartition(':')[::2])}, through HTTP_PROXY"
    return _to(*virtual_host.rpartition(":")[::2])


def _to(host: str, port: str) -> str:
    return f"→ {short_host(host)}:{port}"


def _further_routes(before: Resources, after: Resources, _kind: ProxyKind) -> Iterator[Change]:
    for name, pair in _pairs(before, after).items():
        resource = f"routes/{name}"
        inbound = name.startswith("inbound|")
        subject = f"incoming requests, port {name.split('|')[1]}" if inbound else ""
        if inbound and ABSENT in pair:
            verb = "read" if pair[0] is ABSENT else "no longer read"
            yield from _changes(subject, resource, [Phrase(f"requests {verb}", (Edit((), *pair),))])
            continue
        for host, phrase in configuration_phrases(*pair, resource):
            shown = subject or _to(*(host or name).rpartition(":")[::2])
            yield from _changes(shown, resource, [phrase])
    yield from _order("further routes", before, after)


def _scopes(before: Resources, after: Resources, _kind: ProxyKind) -> Iterator[Change]:
    for name, (old, new) in _pairs(before, after).items():
        resource = f"scopes/{name}"
        if ABSENT in (old, new):
            verb = "accepted" if old is ABSENT else "no longer accepted"
            phrases = [Phrase(f"requests {verb}", (Edit((), old, new),))]
        else:
            phrases = Words({}, {}).phrases(old, new, resource)
        yield from _changes(f"requests to port {name}", resource, phrases)
    yield from _order("scopes", before, after)


def _secrets(before: Resources, after: Resources, _kind: ProxyKind) -> Iterator[Change]:
    """The changes of credentials, without what is secret in them."""
    for name, (old, new) in _pairs(before, after).items():
        verb = "added" if old is ABSENT else "removed" if new is ABSENT else "changed"
        edit = masked(Edit((), old, new))
        yield from _changes(f"credential {name}", f"secrets/{name}", [Phrase(verb, (edit,))])
    yield from _order("secrets", before, after)


def _destinations(
    before: tuple[Resources, Resources], after: tuple[Resources, Resources]
) -> Iterator[Change]:
    """The changes of clusters and of their endpoints."""
    clusters = _pairs(before[0], after[0])
    endpoints = _pairs(before[1], after[1], "clusterName")
    for name in dict.fromkeys((*clusters, *endpoints)):
        subject, part = _cluster_subject(name)
        phrases = _cluster_phrases(clusters.get(name), endpoints.get(name), name)
        for resource, phrase in phrases:
            yield from _changes(subject, f"{resource}/{name}", [phrase.of(part)])
    yield from _order("clusters", before[0], after[0])
    yield from _order("endpoints", before[1], after[1], "clusterName")


def _cluster_phrases(
    cluster: tuple[Any, Any] | None, endpoints: tuple[Any, Any] | None, name: str
) -> Iterator[tuple[str, Phrase]]:
    """The changes of a cluster and its endpoints; None where they are equal."""
    if cluster is not None and ABSENT in cluster:
        is_new = cluster[0] is ABSENT
        assignment = (endpoints or (ABSENT, ABSENT))[1 if is_new else 0]
        text = whole_text("added" if is_new else "removed", cluster[1 if is_new else 0], assignment)
        yield "clusters", Phrase(text, (Edit((), *cluster),))
        if endpoints is not None and ABSENT in endpoints:
            yield "endpoints", Phrase(text, (Edit((), *endpoints),))
            return
    elif cluster is not None:
        for phrase in CLUSTER_WORDS.phrases(*cluster, f"clusters/{name}"):
            yield "clusters", phrase
    if endpoints is not None:
        old, new = ({} if assignment is ABSENT else assignment for assignment in endpoints)
        for phrase in ENDPOINT_WORDS.phrases(old, new, f"endpoints/{name}"):
            yield "endpoints", phrase


def _further_lists(before: ProxyConfig, after: ProxyConfig) -> Iterator[Change]:
    """The changes of lists of a configuration that are not known here."""
    for name in (field.name for field in fields(ProxyConfig) if field.name not in _KNOWN_LISTS):
        for phrase in Words({}, {}).phrases(getattr(before, name), getattr(after, name), name):
            yield from _changes(ITSELF, name, [phrase])


def _cluster_subject(name: str) -> tuple[str, str]:
    """The subject of a cluster's changes, and its subset."""
    direction, *parts = name.split("|")
    if direction == "inbound":
        return f"incoming requests, port {parts[0]}", ""
    if direction != "outbound" or len(parts) != 3:
        return name, ""
    port, subset, host = parts
    return _to(host, port), f"subset {subset}" if subset else ""
