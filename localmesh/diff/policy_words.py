"""The words for security policies: AuthorizationPolicies rule by rule, RequestAuthentications by issuer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from localmesh.catalog.trust import SPIFFE, TRUST_DOMAIN
from localmesh.diff.edits import ABSENT, Edit
from localmesh.diff.formats import UNREADABLE, compact, or_json, string_match, with_rest
from localmesh.diff.phrases import Label, Phrase, Words

Json = Mapping[str, Any]

_TYPED = "typedConfig"
_RULE = re.compile(r"ns\[(.*)\]-policy\[(.*)\]-rule\[(\d+)\]")
_SIDES = {"rules": "", "shadowRules": ", dry run"}
_JOINED = {"andRules": " and ", "orRules": " or ", "andIds": " and ", "orIds": " or "}
_IDENTITIES = {
    re.compile(r"\.\*/ns/([a-z0-9-]+)/\.\*"): "in namespace",
    re.compile(r"spiffe://\.\+/ns/([a-z0-9-]+)/\(\.\+/\|\)sa/([a-z0-9-]+)\(/\.\+\)\?"): "with ServiceAccount",
}
_TRUSTED = f"{SPIFFE}{TRUST_DOMAIN}/"
_WORDLESS = Words({}, {})
_NONE: tuple[str, Any] = ("", ABSENT)
_PROVIDER_WORDS = Words(
    labels={
        ("localJwks", "inlineString"): Label("keys", lambda keys: f"{len(keys)} characters"),
        ("audiences",): Label("audiences", ", ".join, absent="any"),
        ("forward",): Label("token passed on", absent="false"),
    },
    implied={},
)


def condition(node: Json) -> str:
    """A condition of an RBAC filter in words."""
    if len(node) != 1:
        return compact(node)
    ((kind, value),) = node.items()
    if kind in _JOINED:
        parts = [condition(part) for part in value.get("rules", value.get("ids", ()))]
        text = _JOINED[kind].join(dict.fromkeys(parts))
        return f"({text})" if len(set(parts)) > 1 else text
    if kind in ("notRule", "notId"):
        return f"not {condition(value)}"
    return _single(kind, value)


def _single(kind: str, value: Any) -> str:
    try:
        return _CONDITIONS[kind](value)
    except UNREADABLE:
        return compact({kind: value})


def _caller(value: Json) -> str:
    """The identity of the caller; namespaces and ServiceAccounts are written as patterns of it."""
    name = value["principalName"]
    for pattern, words in _IDENTITIES.items():
        if match := pattern.fullmatch(name.get("safeRegex", {}).get("regex", "")):
            return f"caller {words} {'/'.join(match.groups())}"
    return f"caller {string_match(name)}".replace(_TRUSTED, "")


def _header(header: Json) -> str:
    name = header["name"].removeprefix(":")
    if "stringMatch" in header:
        return f"{name} {with_rest(string_match(header['stringMatch']), header, 'name', 'stringMatch')}"
    return with_rest(name, header, "name", "presentMatch")


def _address(name: str) -> Callable[[Any], str]:
    return lambda value: f"{name} {value['addressPrefix']}/{value['prefixLen']}"


def _metadata(metadata: Json) -> str:
    names = ".".join(key["key"] for key in metadata["path"][1:])
    return f"claim {names} {_claim(metadata['value'])}"


def _claim(value: Json) -> str:
    """The value of a claim: a list that has it counts as well, so that each alternative is there twice."""
    alternatives = value.get("orMatch", {}).get("valueMatchers", ())
    if len(alternatives) == 2 and alternatives[0].get("listMatch", {}).get("oneOf") == alternatives[1]:
        return _claim(alternatives[1])
    if alternatives:
        return " or ".join(map(_claim, alternatives))
    return string_match(value["stringMatch"]) if set(value) == {"stringMatch"} else compact(value)


_CONDITIONS: Mapping[str, Callable[[Any], str]] = {
    "any": lambda _value: "any",
    "header": _header,
    "urlPath": lambda value: f"path {string_match(value['path'])}",
    "authenticated": _caller,
    "directRemoteIp": _address("caller's address"),
    "remoteIp": _address("client's address"),
    "destinationIp": _address("own address"),
    "destinationPort": lambda value: f"port {value}",
    "metadata": _metadata,
}


@or_json
def _rule(rule: Json) -> str:
    parts = [" or ".join(map(condition, rule.get(side, ()))) for side in ("principals", "permissions")]
    conditions = [part for part in dict.fromkeys(parts) if part != "any"]
    return with_rest(" and ".join(conditions) or "all requests", rule, "principals", "permissions")


def policy_phrases(before: Any, after: Any, resource: str) -> list[Phrase]:
    """The changes in a slot for policies; ABSENT is a slot without any."""
    old, new = ({} if slot is ABSENT else slot.get(_TYPED, {}) for slot in (before, after))
    try:
        phrases = _rbac(old, new) + _tokens(old, new, resource)
        rest = _WORDLESS.phrases(_without_rules(old), _without_rules(new), resource)
    except UNREADABLE:  # not from a translation
        phrases, rest = [], _WORDLESS.phrases(old, new, resource)
    if phrases:
        implied = tuple(edit for phrase in rest for edit in phrase.edits)
        phrases[0] = replace(phrases[0], edits=(*phrases[0].edits, *implied))
    else:
        phrases = rest
    return [phrase.below(_TYPED) for phrase in phrases]


def _rbac(old: Json, new: Json) -> list[Phrase]:
    phrases = []
    for side, note in _SIDES.items():
        rules, others = (_side(slot, side).get("policies", {}) for slot in (old, new))
        action = (_side(new, side) or _side(old, side)).get("action", "")
        for name in dict.fromkeys((*rules, *others)):
            edit = Edit((side, "policies", name), rules.get(name, ABSENT), others.get(name, ABSENT))
            if edit.before != edit.after:
                phrases.append(Phrase(_rule_change(name, f"{action}{note}", edit), (edit,)))
        if side == "rules" and action == "ALLOW" and bool(rules) is not bool(others):
            answers = "accepted → 403" if others else "403 → accepted"
            actions = (_side(slot, side).get("action", ABSENT) for slot in (old, new))
            text = f"requests that no ALLOW rule matches: {answers}"
            phrases.append(Phrase(text, (Edit((side, "action"), *actions),)))
    return phrases


def _side(slot: Json, name: str) -> Json:
    """The rules of an RBAC filter; the `rules` of jwt_authn are a list and something else."""
    side = slot.get(name, {})
    return side if isinstance(side, Mapping) else {}


def _rule_change(name: str, action: str, edit: Edit) -> str:
    match = _RULE.fullmatch(name)
    title = f"AuthorizationPolicy {match[1]}/{match[2]}, rule {match[3]}" if match else name
    before, after = ("" if rule is ABSENT else _rule(rule) for rule in (edit.before, edit.after))
    if edit.before is ABSENT:
        return f"{title} added: {action} {after}"
    if edit.after is ABSENT:
        return f"{title} removed: {action} {before}"
    if before == after:
        before, after = compact(edit.before), compact(edit.after)
    return f"{title}: {action} {before} → {after}"


def _tokens(old: Json, new: Json, resource: str) -> list[Phrase]:
    phrases = []
    before, after = _by_issuer(old), _by_issuer(new)
    for issuer in dict.fromkeys((*before, *after)):
        (name, provider), (new_name, new_provider) = before.get(issuer, _NONE), after.get(issuer, _NONE)
        path = ("providers", new_name or name)
        if ABSENT in (provider, new_provider):
            verb = "now checked" if provider is ABSENT else "no longer checked"
            edit = Edit(path, provider, new_provider)
            phrases.append(Phrase(verb, (edit,), f"tokens of {issuer}"))
            continue
        changed = _PROVIDER_WORDS.phrases(provider, new_provider, resource)
        phrases += [phrase.below(*path).of(f"tokens of {issuer}") for phrase in changed]
    return phrases


def _by_issuer(slot: Json) -> dict[str, tuple[str, Any]]:
    """The providers, each with its name, by issuer; a second one of an issuer has its name behind it."""
    by_issuer: dict[str, tuple[str, Any]] = {}
    for name, provider in slot.get("providers", {}).items():
        issuer = provider.get("issuer", "")
        by_issuer[f"{issuer} ({name})" if issuer in by_issuer else issuer] = name, provider
    return by_issuer


def _without_rules(slot: Json) -> Json:
    """The slot without what the other phrases describe; of the providers only their order is left."""
    rest = {key: value for key, value in slot.items() if key not in ("providers", *_SIDES)}
    if "providers" in slot:
        rest["providers"] = {key: value.get("issuer") for key, value in slot["providers"].items()}
    for side in (name for name in _SIDES if name in slot):
        own = _side(slot, side)
        rest[side] = {key: value for key, value in own.items() if key != "policies"} or slot[side]
    return rest
