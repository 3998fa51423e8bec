"""Changes of route configurations: which rules of which host were added, removed, moved or changed."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.diff.edits import ABSENT, ORDER, Edit, named, reordered
from localmesh.diff.phrases import Label, Phrase, Words
from localmesh.diff.route_words import (
    WORDS,
    action_phrases,
    match_text,
    route_text,
    without_action,
)

Json = Mapping[str, Any]

_ROUTES = "routes"
_HOST_WORDS = Words(
    labels={
        ("domains",): Label("names", ", ".join),
        ("requireTls",): Label("plain HTTP", lambda _value: "redirected to HTTPS", absent="accepted"),
    },
    implied={},
)


NO_ROUTES = "blackhole"
"""The virtual host of a server for which no VirtualService has routes."""


def host_phrases(before: Any, after: Any, resource: str) -> list[Phrase]:
    """The changes of a virtual host, with paths that start at the virtual host; ABSENT is possible."""
    old, new = ({} if host is ABSENT else host for host in (before, after))
    host = (old or new)["name"].rpartition(":")[0]
    phrases = _rules(old.get(_ROUTES, ()), new.get(_ROUTES, ()), host, resource)
    if before is not ABSENT and after is not ABSENT:
        own = _HOST_WORDS.phrases(_without_routes(old), _without_routes(new), resource)
        # an empty list of rules and none at all are the same to Envoy, but not to a comparison
        return [*own, *phrases] or Words({}, {}).phrases(before, after, resource)
    verb = "added" if before is ABSENT else "removed"
    edits = (Edit((), before, after),)
    rules = (old or new).get(_ROUTES, ())
    return [
        Phrase(f"{verb}, {route_text(rule, host)}", edits, match_text(rule["match"])) for rule in rules
    ] or [Phrase(_without_rules(verb, host), edits)]


def _without_rules(verb: str, host: str) -> str:
    if host != NO_ROUTES:
        return f"{verb}, without rules"
    change = "requests get 404" if verb == "added" else "requests no longer all get 404"
    return f"{change}: {'no VirtualService has' if verb == 'added' else 'VirtualServices have'} routes here"


def _without_routes(host: Json) -> Json:
    return {key: value for key, value in host.items() if key != _ROUTES}


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which rule of a list became which of another: pairs of indices, and those without a partner."""

    pairs: Sequence[tuple[int, int]]
    removed: Sequence[int]
    added: Sequence[int]

    def moved(self) -> list[tuple[int, int]]:
        """The pairs that are not in the order of the others."""
        stays = _longest_increasing([new for _, new in self.pairs])
        return [pair for pair in self.pairs if pair[1] not in stays]


def align(before: Sequence[Json], after: Sequence[Json]) -> Alignment:
    """Finds equal rules first, then those with the same match or name, then a single one that is left."""
    old, new = dict(enumerate(before)), dict(enumerate(after))
    pairs: list[tuple[int, int]] = []
    for key in (_text, _match_and_name, _match, _name):
        pairs += _pairs(old, new, key)
    if len(old) == len(new) == 1:
        pairs.append((old.popitem()[0], new.popitem()[0]))
    return Alignment(sorted(pairs), sorted(old), sorted(new))


def _pairs(
    old: dict[int, Json], new: dict[int, Json], key: Callable[[Json], str]
) -> Iterator[tuple[int, int]]:
    """Takes out the rules that have the same key, in their order; an empty key is nothing in common."""
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, route in new.items():
        waiting[key(route)].append(index)
    for index, route in list(old.items()):
        text = key(route)
        if text and waiting[text]:
            partner = waiting[text].popleft()
            del old[index], new[partner]
            yield index, partner


def _text(route: Json) -> str:
    return json.dumps(route, sort_keys=True)


def _match_and_name(route: Json) -> str:
    return _text({"match": route.get("match"), "name": route.get("name")})


def _match(route: Json) -> str:
    return _text(route.get("match", {}))


def _name(route: Json) -> str:
    return str(route.get("name", ""))


def _longest_increasing(numbers: Sequence[int]) -> set[int]:
    """The numbers of the longest increasing subsequence."""
    ends: list[int] = []
    tails: list[tuple[int, ...]] = []
    for number in numbers:
        position = bisect_left(ends, number)
        chain = (*(tails[position - 1] if position else ()), number)
        ends[position : position + 1] = [number]
        tails[position : position + 1] = [chain]
    return set(tails[-1]) if tails else set()


def _rules(before: Sequence[Json], after: Sequence[Json], host: str, resource: str) -> list[Phrase]:
    alignment = align(before, after)
    phrases: list[Phrase] = []
    for index, partner in alignment.pairs:
        phrases += _changed(before[index], after[partner], host, resource, partner)
    for index in alignment.removed:
        edits = (_rule_edit(index, before[index], ABSENT),)
        text = f"rule removed, {route_text(before[index], host)}"
        phrases.append(Phrase(text, edits, match_text(before[index]["match"])))
    for index in alignment.added:
        place = f" as number {index + 1} of {len(after)}" if len(after) > 1 else ""
        edits = (_rule_edit(index, ABSENT, after[index]),)
        text = f"rule added{place}, {route_text(after[index], host)}"
        phrases.append(Phrase(text, edits, match_text(after[index]["match"])))
    for index, partner in alignment.moved():
        edits = (Edit((_ROUTES, ORDER), index, partner),)
        text = f"rule moved from number {index + 1} to {partner + 1}"
        phrases.append(Phrase(text, edits, match_text(after[partner]["match"])))
    return phrases


def _changed(before: Json, after: Json, host: str, resource: str, index: int) -> list[Phrase]:
    actions = action_phrases(before, after, host, resource)
    phrases = WORDS.phrases(*without_action(before, after), resource, actions)
    part = match_text(after["match"])
    return [phrase.below(_ROUTES, f"[{index}]").of(part) for phrase in phrases]


def _rule_edit(index: int, before: Any, after: Any) -> Edit:
    return Edit((_ROUTES, f"[{index}]"), before, after)


def configuration_phrases(before: Any, after: Any, resource: str) -> Iterator[tuple[str, Phrase]]:
    """The changes of a route configuration, each with the name of its virtual host, "" for none."""
    old, new = ({} if value is ABSENT else value for value in (before, after))
    before_hosts, after_hosts = (named(value.get("virtualHosts", ())) for value in (old, new))
    for name in {**before_hosts, **after_hosts}:
        pair = before_hosts.get(name, ABSENT), after_hosts.get(name, ABSENT)
        for phrase in host_phrases(*pair, resource) if pair[0] != pair[1] else ():
            yield name, phrase.below("virtualHosts", f"[{name}]")
    if order := reordered(before_hosts, after_hosts):
        yield "", Phrase("order of hosts", (order.below("virtualHosts"),))
    if before is ABSENT or after is ABSENT:
        verb = "accepted" if before is ABSENT else "no longer accepted"
        yield "", Phrase(f"requests {verb}", (Edit((), before, after),))
        return
    for phrase in Words({}, {}).phrases(_without_hosts(old), _without_hosts(new), resource):
        yield "", phrase


def _without_hosts(configuration: Json) -> Json:
    return {key: value for key, value in configuration.items() if key != "virtualHosts"}
