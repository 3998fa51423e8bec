"""The words for a route: its match, its destinations, and what it does with a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from localmesh.diff.edits import ABSENT, Path, edits, named
from localmesh.diff.formats import (
    compact,
    config,
    destination,
    limit,
    or_json,
    percent,
    seconds,
    string_match,
    with_rest,
)
from localmesh.diff.phrases import Label, Phrase, Words, other

Json = Mapping[str, Any]

_CLUSTER: Path = ("route", "cluster")
_WEIGHTED: Path = ("route", "weightedClusters")
_ACTIONS = ("route", "redirect", "directResponse")
_OWNER: Path = ("metadata", "filterMetadata", "istio", "config")
_OPERATION: Path = ("decorator", "operation")
_DEFAULT_RETRIES = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


@or_json
def match_text(match: Json) -> str:
    """The requests that a route is for, such as ``GET /items*, user-group = internal``."""
    headers = {header["name"]: header for header in match.get("headers", ())}
    methods = [headers[name] for name in (":method",) if name in headers]
    conditions = [_header(header) for header in match.get("headers", ()) if header not in methods]
    conditions += [f"?{_header(parameter)}" for parameter in match.get("queryParameters", ())]
    conditions += map(_claim, match.get("dynamicMetadata", ()))
    path = _path(match)
    words = " ".join([*map(_method, methods), *([path] if path else [])])
    if not (words or conditions):
        return "all requests"
    known = ("prefix", "path", "safeRegex", "caseSensitive", "headers", "queryParameters", "dynamicMetadata")
    return with_rest(", ".join([*([words] if words else []), *conditions]), match, *known)


def _path(match: Json) -> str:
    case = "" if match.get("caseSensitive", True) else " (ignoring case)"
    if "path" in match:
        return f"{match['path']}{case}"
    if "safeRegex" in match:
        return f"~ {match['safeRegex']['regex']}{case}"
    prefix = match.get("prefix", "/")
    return f"{prefix}*{case}" if prefix != "/" else ""


def _method(header: Json) -> str:
    exact = header.get("stringMatch", {}).get("exact")
    return exact if exact and not header.get("invertMatch") else _header(header)


def _claim(metadata: Json) -> str:
    names = ".".join(key["key"] for key in metadata["path"][1:])
    value = string_match(metadata["value"]["orMatch"]["valueMatchers"][1]["stringMatch"])
    return f"{'without ' if metadata.get('invert') else ''}claim {names} {value}"


def _header(header: Json) -> str:
    name = header["name"].removeprefix(":")
    known = ("name", "invertMatch", "treatMissingHeaderAsEmpty", "stringMatch", "presentMatch")
    text = f"{name} {string_match(header['stringMatch'])}" if "stringMatch" in header else name
    return with_rest(f"without {text}" if header.get("invertMatch") else text, header, *known)


def shares(route: Json) -> Counter[str]:
    """The clusters of a route with their weights; a single one has all of the requests."""
    action = route.get("route", {})
    if "cluster" in action:
        return Counter({action["cluster"]: 100})
    weights: Counter[str] = Counter()
    for cluster in action.get("weightedClusters", {}).get("clusters", ()):
        weights[cluster["name"]] += cluster.get("weight", 0)
    return weights


def shares_text(weights: Mapping[str, int], host: str) -> str:
    """The destinations with their shares, such as ``v1 80 %, v2 20 %``."""
    if len(weights) == 1:
        return destination(next(iter(weights)), host)
    return ", ".join(f"{destination(name, host)} {share}" for name, share in _percentages(weights).items())


def _percentages(weights: Mapping[str, int]) -> dict[str, str]:
    total = sum(weights.values()) or 1
    return {name: f"{weight * 100 / total:.4g} %" for name, weight in weights.items()}


def _moved_shares(before: Mapping[str, int], after: Mapping[str, int], host: str) -> str:
    """The destinations whose share has changed; empty if none has."""
    if before == after:
        return ""
    if not before or not after:
        return f"to: {shares_text(before, host) or 'none'} → {shares_text(after, host) or 'none'}"
    if len(before) == len(after) == 1:
        return f"{destination(next(iter(before)), host)} → {destination(next(iter(after)), host)}"
    old, new = _percentages(before), _percentages(after)
    if old == new:
        old, new = ({name: f"weight {weight}" for name, weight in of.items()} for of in (before, after))
    names = [*before, *(name for name in after if name not in before)]
    return ", ".join(
        f"{destination(name, host)} {old.get(name, '0 %')} → {new.get(name, '0 %')}"
        for name in names
        if old.get(name) != new.get(name)
    )


def destination_phrases(before: Json, after: Json, host: str, resource: str) -> list[Phrase]:
    """The changes of where requests go, and of what is set for single destinations."""
    changed = list(edits(_only_destinations(before), _only_destinations(after), {_CLUSTER, _WEIGHTED}))
    if not changed:
        return []
    text = _moved_shares(shares(before), shares(after), host) or _moved_form(before, after, host)
    phrases = [Phrase(text, tuple(changed))] if text else []
    phrases += _settings_phrases(before, after, host, resource)
    return phrases or [other(edit, resource) for edit in changed]


def _settings_phrases(before: Json, after: Json, host: str, resource: str) -> list[Phrase]:
    """The changes of what is set for a single one of several destinations."""
    old, new = _settings(before), _settings(after)
    phrases = [
        phrase.below(*_WEIGHTED)
        for phrase in Words({}, {}).phrases(
            _without(old, ("clusters",)), _without(new, ("clusters",)), resource
        )
    ]
    for name in {**old["clusters"], **new["clusters"]}:
        own = _SETTINGS.phrases(old["clusters"].get(name, {}), new["clusters"].get(name, {}), resource)
        for phrase in own:
            text = f"only to {destination(name, host)}: {phrase.text}"
            phrases.append(Phrase(text, phrase.below(*_WEIGHTED, "clusters", f"[{name}]").edits))
    return phrases


def _moved_form(before: Json, after: Json, host: str) -> str:
    """A single destination that has got a weight, or lost it; empty for anything else."""
    forms = [
        f"{destination(name, host)} without weight"
        if _CLUSTER[1] in route["route"]
        else f"{destination(name, host)} by weight {weight}"
        for route in (before, after)
        for name, weight in shares(route).items()
    ]
    return " → ".join(forms) if len(forms) == 2 and forms[0] != forms[1] else ""


def _only_destinations(route: Json) -> Json:
    action = route.get("route", {})
    return {"route": {key: action[key] for key in ("cluster", "weightedClusters") if key in action}}


def _settings(route: Json) -> dict[str, Any]:
    """What is set for weighted clusters apart from their names and weights."""
    weighted = route.get("route", {}).get("weightedClusters", {})
    clusters = {
        name: _without(cluster, ("name", "weight"))
        for name, cluster in named(weighted.get("clusters", ())).items()
    }
    return {**weighted, "clusters": clusters}


def _without_destinations(route: Json) -> Json:
    action = route.get("route")
    if action is None:
        return route
    kept = {key: value for key, value in action.items() if key not in ("cluster", "weightedClusters")}
    return {**route, "route": kept}


def _retries(policy: Json) -> str:
    on = policy.get("retryOn", "")
    codes = policy.get("retriableStatusCodes", ())
    conditions = ", ".join([*filter(None, on.split(",")), *map(str, codes)])
    text = f"{policy.get('numRetries', 1)} on {'connection errors' if on == _DEFAULT_RETRIES else conditions}"
    if not policy.get("retryHostPredicate"):
        text += ", on any pod"
    if "perTryTimeout" in policy:
        text += f", {seconds(policy['perTryTimeout'])} each"
    if "baseInterval" in policy.get("retryBackOff", {}):
        text += f", {seconds(policy['retryBackOff']['baseInterval'])} apart"
    return text


_CORS_SHOWN = ("@type", "filterEnabled", "allowOriginStringMatch")


def _header_values(entries: Iterable[Json]) -> str:
    texts = []
    for entry in entries:
        sign = "+=" if entry.get("appendAction") == "APPEND_IF_EXISTS_OR_ADD" else "="
        texts.append(f"{entry['header']['key']} {sign} {entry['header'].get('value', '')}")
    return ", ".join(texts)


def _mirrors(policies: Iterable[Json]) -> str:
    return ", ".join(
        f"{destination(policy['cluster'])} {percent(policy['runtimeFraction']['defaultValue'])}"
        for policy in policies
    )


def _fault(fault: Json) -> str:
    parts = []
    if "abort" in fault:
        share = percent(fault["abort"].get("percentage", {}))
        parts.append(f"{fault['abort'].get('httpStatus')} for {share}")
    if "delay" in fault:
        share = percent(fault["delay"].get("percentage", {}))
        parts.append(f"{seconds(fault['delay']['fixedDelay'])} delay for {share}")
    return with_rest(", ".join(parts) or "none", fault, "abort", "delay", "@type")


def _cors(policy: Json) -> str:
    matchers = policy.get("allowOriginStringMatch", ())
    origins = ", ".join(string_match(origin).removeprefix("= ") for origin in matchers)
    settings = {name: value for name, value in policy.items() if name not in _CORS_SHOWN}
    return with_rest(f"origins {origins}" if origins else "no origins", settings)


_REDIRECTS = {
    "": "301",
    "MOVED_PERMANENTLY": "301",
    "FOUND": "302",
    "SEE_OTHER": "303",
    "TEMPORARY_REDIRECT": "307",
    "PERMANENT_REDIRECT": "308",
}


def _redirect(redirect: Json) -> str:
    text = _REDIRECTS.get(redirect.get("responseCode", ""), "")
    scheme, port = redirect.get("schemeRedirect", ""), redirect.get("portRedirect", "")
    host = f"{redirect.get('hostRedirect', '')}{':' if port else ''}{port}"
    path = redirect.get("pathRedirect", "")
    target = f"{scheme}{'://' if scheme else ''}{host}{path}"
    shown = ("responseCode", "schemeRedirect", "hostRedirect", "portRedirect", "pathRedirect")
    return with_rest(f"to {target} ({text})" if target else text, redirect, *shown)


def _direct(response: Json) -> str:
    body = response.get("body", {})
    shown = f" {compact(body['inlineString'])}" if set(body) == {"inlineString"} else ""
    return with_rest(f"{response.get('status')}{shown}", response, "status", *(["body"] if shown else []))


def _regex_rewrite(rewrite: Json) -> str:
    return with_rest(
        f"{rewrite['pattern']['regex']} → {rewrite['substitution']}", rewrite, "pattern", "substitution"
    )


def _hash(policies: Iterable[Json]) -> str:
    texts = []
    for policy in policies:
        if "header" in policy:
            texts.append(f"header {policy['header']['headerName']}")
        elif "cookie" in policy:
            texts.append(with_rest(f"cookie {policy['cookie']['name']}", policy["cookie"], "name"))
        elif "queryParameter" in policy:
            texts.append(f"parameter {policy['queryParameter']['name']}")
        elif policy == {"connectionProperties": {"sourceIp": True}}:
            texts.append("source address")
        else:
            texts.append(compact(policy))
    return ", ".join(texts)


_HEADERS: dict[Path, Label] = {
    ("requestHeadersToAdd",): Label("request headers", _header_values),
    ("requestHeadersToRemove",): Label("request headers removed", ", ".join),
    ("responseHeadersToAdd",): Label("response headers", _header_values),
    ("responseHeadersToRemove",): Label("response headers removed", ", ".join),
}
_SETTINGS = Words(
    labels={**_HEADERS, ("hostRewriteLiteral",): Label("host rewritten to", absent="as it is")}, implied={}
)
_FILTERS = "typedPerFilterConfig"
_LABELS: dict[Path, Label] = {
    ("name",): Label("name"),
    ("match",): Label("match", match_text),
    _OWNER: Label("VirtualService", config),
    ("redirect",): Label("redirect", _redirect),
    ("directResponse",): Label("answered by the proxy with", _direct),
    ("route", "timeout"): Label("timeout", limit),
    ("route", "retryPolicy"): Label("retries", _retries),
    ("route", "prefixRewrite"): Label("path rewritten to", absent="as it is"),
    ("route", "regexRewrite"): Label("path rewritten by", _regex_rewrite, absent="nothing"),
    ("route", "hostRewriteLiteral"): Label("host rewritten to", absent="as it is"),
    ("route", "requestMirrorPolicies"): Label("copied to", _mirrors),
    ("route", "hashPolicy"): Label("consistent hash of", _hash, absent="nothing"),
    **_HEADERS,
    (_FILTERS, "envoy.filters.http.fault"): Label("injected fault", _fault),
    (_FILTERS, "envoy.filters.http.cors"): Label("CORS", _cors),
}
WORDS = Words(
    labels=_LABELS,
    implied={
        ("route", "maxGrpcTimeout"): (("route", "timeout"),),
        ("match", "caseSensitive"): (("metadata",), ("name",)),
        # made from the match and the destination, or from the name of the VirtualService
        _OPERATION: (("match",), *((action,) for action in _ACTIONS), ("metadata",), ("name",)),
    },
)
"""The words for routes; those for destinations are in `destination_phrases`."""


def action_phrases(before: Json, after: Json, host: str, resource: str) -> list[Phrase]:
    """The change of what is done with a request; from routing to redirecting, for example, it is one."""
    old, new = (_only(route, _ACTIONS) for route in (before, after))
    if old.keys() == new.keys():
        return destination_phrases(before, after, host, resource)
    text = f"{route_text(old, host)} → {route_text(new, host)}"
    return [Phrase(text, tuple(edits(old, new)))]


def without_action(before: Json, after: Json) -> tuple[Json, Json]:
    """Both routes without what `action_phrases` describes."""
    if _only(before, _ACTIONS).keys() == _only(after, _ACTIONS).keys():
        return _without_destinations(before), _without_destinations(after)
    return _without(before, _ACTIONS), _without(after, _ACTIONS)


def _only(document: Json, names: Collection[str]) -> Json:
    return {name: value for name, value in document.items() if name in names}


def _without(document: Json, names: Collection[str]) -> Json:
    return {name: value for name, value in document.items() if name not in names}


def route_text(route: Json, host: str) -> str:
    """What a route does, as far as it is not the default."""
    goes_to = shares_text(shares(route), host) if "route" in route else ""
    values = {
        path: f"{label.name} {shown}"
        for path, label in _LABELS.items()
        if path not in (("match",), ("name",)) and (value := _at(route, path)) is not ABSENT
        if (shown := or_json(label.show)(value)) not in ("none", "2 on connection errors")
    }
    owner = values.pop(_OWNER, "")
    text = "; ".join([*([f"to {goes_to}"] if goes_to else []), *values.values()])
    return f"{text} ({owner})" if owner else text


def _at(document: Json, path: Path) -> Any:
    value: Any = document
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return ABSENT
        value = value[step]
    return value
