"""An explanation as text for a terminal of any width, made from its JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from localmesh.explain.route_tables import conditions_text
from localmesh.explain.text_layout import Json, Line, at, block, object_of
from localmesh.explain.text_security import condition_text, security
from localmesh.formats.response_flags import flags_meaning
from localmesh.formats.text import wrapped
from localmesh.problems.fields import listed
from localmesh.translate.retries import retry_policy

_ARRIVAL = "a request at "
_NARROWEST = 40
_DENIED = "RBAC: access denied"
_LEVELS = {
    "default": "default",
    "host": "trafficPolicy of",
    "port": "port level of",
    "subset": "trafficPolicy of the subset in",
    "subset port": "port level of the subset in",
}
_RULES = {
    "default": "the default route of the Service, which matches every request",
    "allow_any": "the mesh does not know the host: the request goes where DNS says (ALLOW_ANY)",
    "block_all": "the mesh does not know the host, and requests may not leave it (REGISTRY_ONLY)",
}


_ISTIOS_RETRIES = retry_policy(None) or {}


def text(document: Json, width: int = 100) -> str:
    """The lines of an explanation; only words longer than a line, such as paths of files, are longer."""
    width = max(width, _NARROWEST)
    request = document["request"]
    parts = [
        "\n".join(wrapped(f"{request['method']} {request['url']} from {request['from']}", width, rest="  "))
    ]
    parts.append(block(_results(document), width))
    if document.get("followed"):
        parts.append(block(_followed(document["followed"]), width))
    if document["causes"]:
        parts.append(_causes(document, width))
    known: dict[tuple[Line, ...], int] = {}
    for number, hop in enumerate(document["hops"], start=1):
        lines = tuple(_hop(hop))
        same = known.setdefault(lines, number)
        head = f"{number}. {_title(hop)}{'' if same == number else f', as in {same}.'}"
        title = "\n".join(wrapped(head, width, rest="   "))
        parts.append(title if same != number else f"{title}\n{block(lines, width, indent='   ')}")
    return "\n\n".join(parts)


def _results(document: Json) -> Iterator[Line]:
    """What can happen, with odds if it is not certain; the same answer of several proxies is one."""
    odds: dict[tuple[str, str], float] = {}
    proxies: dict[tuple[str, str], list[str]] = {}
    for outcome in document["outcomes"]:
        proxy, *said = _result(document, outcome)
        key = said[0], said[1]
        odds[key] = odds.get(key, 0.0) + outcome["percent"]
        proxies.setdefault(key, [])
        if proxy and proxy not in proxies[key]:
            proxies[key].append(proxy)
    for number, (key, percent) in enumerate(odds.items()):
        what, why = key
        share = "" if len(odds) == 1 else f"{percent:.3g} %: "
        by = f" from {listed(proxies[key])}" if proxies[key] else ""
        yield "result" if number == 0 else "", f"{share}{what}{by}{why}"
    yield from _delays(document["hops"])


def _delays(hops: Iterable[Json]) -> Iterator[Line]:
    """Delays are in no outcome: they happen before it."""
    for hop in hops:
        for fault in hop["routing"]["actions"]["faults"] if hop["routing"] else ():
            if fault["delay"] and fault["percent"]:
                odds = "all" if fault["percent"] == 100 else f"{fault['percent']:.4g} % of the"
                yield "", f"{odds} requests are delayed by {fault['delay']} before that"


def _followed(followed: Json) -> Iterator[Line]:
    """What happened when the request was really sent, compared with the explanation."""
    if followed["notSent"]:
        yield "sent", f"no: {followed['notSent']}"
        return
    happened = f"answer {followed['status'] or 'none'}"
    if followed["happened"].startswith(_ARRIVAL):
        workload = followed["happened"].removeprefix(_ARRIVAL)
        happened = f"reached {workload}, {happened}"
    verdict = "as explained" if followed["agrees"] else f"not as explained: {followed['explained']}"
    yield "sent", f"{happened} after {followed['seconds'] * 1000:.0f} ms; {verdict}"


def _result(document: Json, outcome: Json) -> tuple[str, str, str]:
    """An outcome: the proxy that answers, what it answers, and why."""
    answer = outcome["answer"]
    if answer is None:
        if outcome["workload"]:
            return "", f"{outcome['workload']}.{outcome['namespace']} answers", ""
        return "", f"the request leaves the mesh{_outside(outcome['cluster'] or '')}", ""
    location = answer["headers"].get("location")
    to = f", location: {location}" if location else ""
    return _proxy_name(document, answer["by"]), _status(answer), f"{to}; {answer['cause']}"


def _outside(cluster: str) -> str:
    """Where a request goes that leaves the mesh: the host of the cluster, or what the cluster is called."""
    parts = cluster.split("|")
    if len(parts) == 4:
        return f" for {parts[3]}:{parts[1]}"
    return f" ({cluster})" if cluster else ", to where DNS says"


def _status(answer: Json) -> str:
    if answer["status"] is None:
        return "the connection is closed without a response"
    flag = answer["flag"]
    if answer["body"] == _DENIED:
        return f"{answer['status']} ({_DENIED})"
    return f"{answer['status']} {flag} ({flags_meaning(flag)})" if flag else str(answer["status"])


def _proxy_name(document: Json, name: str) -> str:
    hop = next((hop for hop in document["hops"] if hop["proxy"] == name), None)
    if hop is None or hop["kind"] == "direct":
        return ""
    return f"the gateway {hop['workload']}" if hop["kind"] == "gateway" else f"{hop['workload']}'s sidecar"


def _title(hop: Json) -> str:
    name = f"{hop['workload']}.{hop['namespace']}"
    return {
        "outbound": f"The sidecar of {name} sends the request",
        "gateway": f"The gateway {name} takes the request",
        "inbound": f"The sidecar of {name} receives the request",
        "direct": f"{name}, which has no sidecar, sends the request without any route of the mesh",
    }[hop["kind"]]


def _hop(hop: Json) -> Iterator[Line]:
    is_called = hop["kind"] in ("inbound", "gateway")
    if is_called:
        yield "request", f"{hop['request']['method']} {hop['request']['authority']}{hop['request']['path']}"
        yield from security(hop)
    if hop["host"]:
        yield from _host(hop["host"], hop["routing"])
    if hop["routing"]:
        yield from _routing(hop["routing"])
    for patch in hop["envoyFilters"]:
        changed = " ".join(filter(None, (patch["operation"], patch["appliesTo"], patch["name"])))
        yield "changed", f"by {object_of(patch['place'])}: {changed}{at(patch['place'])}"
    if hop["answer"]:
        yield "answer", _status(hop["answer"])


def _host(host: Json, routing: Json | None) -> Iterator[Line]:
    if host["servers"]:
        yield "host", f"{host['name']} is served by {object_of(host['servers'][0])}{at(host['servers'][0])}"
    else:
        service = f" is {host['service']}" if host["service"] else ""
        yield "host", f"{host['name']}{service}{at(host['servicePlace'])}"
    if routing and not host["virtualServices"] and routing["rule"]:
        yield "", "no VirtualService routes it"
    for place in host["virtualServices"]:
        yield "", f"routed by {object_of(place)}{at(place)}"
    for other in host["others"]:
        yield "", _unused(other)


def _unused(other: Json) -> str:
    """An object that does not take the host; a Sidecar is the one that decides so."""
    subject = object_of(other["place"])
    negation = "" if subject.startswith("Sidecar ") else "not "
    return f"{negation}{subject}: {other['reason']}{at(other['place'])}"


def _routing(routing: Json) -> Iterator[Line]:
    for skipped in (*routing["absent"], *routing["skipped"]):
        yield "skipped", f"{_rule_name(skipped)}: {condition_text(skipped['failed'])}"
    if routing["rule"]:
        yield "rule", _rule(routing["rule"])
    elif routing["connectionRule"]:
        yield "rule", _connection_rule(routing["connectionRule"])
    for shadowed in routing["shadowed"]:
        yield "", f"{_rule_name(shadowed)} would match too, but is never reached{at(shadowed['place'])}"
    for number, destination in enumerate(routing["destinations"]):
        yield "to" if number == 0 else "", _destination(destination)
    if routing["rule"]:
        yield from _actions(routing["actions"], bool(routing["destinations"]))
    yield from _settings(routing["destinations"])


def _rule_name(rule: Json) -> str:
    """Where a rule is written: `http[1].match[0] "name" of shop/web`; of a delegate, in the delegate."""
    place = rule["place"]
    if place is None:
        return str(rule["name"])
    name = f' "{rule["name"]}"' if rule["name"] else ""
    kind, _, owner = object_of(place).rpartition(" ")
    is_delegate = kind == "VirtualService" and owner != rule["virtualService"]
    root = f", to which {rule['virtualService']} delegates" if is_delegate else ""
    return f"{place['field'].removeprefix('spec.')}{name} of {owner}{root}"


def _rule(rule: Json) -> str:
    if rule["index"] is None:
        return _RULES.get(rule["name"], str(rule["name"]))
    return f"{_rule_name(rule)}: {_match(rule['match'])}{at(rule['place'])}"


def _connection_rule(place: Json) -> str:
    """Where a rule for connections is written: `tcp[0].match[0] of shop/db`."""
    owner = object_of(place).rpartition(" ")[2]
    return f"{place['field'].removeprefix('spec.')} of {owner}{at(place)}"


def _match(match: Json) -> str:
    return listed(conditions_text(match)) if conditions_text(match) else "matches every request"


def _destination(destination: Json) -> str:
    subset = f" {destination['subset']}" if destination["subset"] else ""
    share = "" if destination["percent"] == 100 else f"{destination['percent']:.4g} % "
    if not destination["host"]:
        return f"{share}{destination['cluster']}"
    name = f"{share}{destination['host']}:{destination['port']}{subset}"
    if not destination["exists"]:
        return f"{name}: the proxy has no such cluster"
    if destination["external"]:
        return f"{name}, outside the mesh: {listed(destination['endpoints'])}"
    headers = "".join(f"; {_header(change)}" for change in destination["headers"])
    if not destination["pods"]:
        return f"{name}: no pod is ready{headers}"
    return f"{name}: {listed(destination['pods'])}{headers}"


def _header(change: Json) -> str:
    value = f": {change['value']}" if change["operation"] != "remove" else ""
    return f"{change['operation']} {change['side']} header {change['name']}{value}"


def _actions(actions: Json, calls: bool) -> Iterator[Line]:
    places = actions["places"]
    for fault in actions["faults"]:
        what = f"delays by {fault['delay']}" if fault["delay"] else f"aborts with {fault['status']}"
        yield "fault", f"{what}: {fault['percent']:.4g} % of the requests{at(places.get('fault'))}"
    if actions["rewritePath"]:
        yield "rewrite", f"path: {actions['rewritePath']}{at(places.get('rewrite'))}"
    if actions["rewriteAuthority"]:
        yield "rewrite", f"host: {actions['rewriteAuthority']}{at(places.get('rewrite'))}"
    for change in actions["headers"]:
        yield "headers", f"{_header(change)}{at(places.get('headers'))}"
    for mirror in actions["mirrors"]:
        yield "mirror", f"{mirror['percent']:.4g} % copied to {_destination(mirror['destination'])}"
    if actions["cors"] is not None:
        yield "CORS", f"{_cors(actions['cors'])}{at(places.get('corsPolicy'))}"
    for policy in actions["hashPolicy"]:
        yield "hash", json.dumps(policy)
    if calls:
        yield "timeout", f"{actions['timeout'] or 'none'}{at(places.get('timeout'))}"
        yield "retries", _retries(actions["retries"], places.get("retries"))


def _cors(cors: Json) -> str:
    origins = [
        next(str(value) for value in matcher.values()) for matcher in cors.get("allowOriginStringMatch", ())
    ]
    return f"allows the origins {listed(origins, 'or')}"


def _retries(retries: Json | None, place: Json | None) -> str:
    if retries is None:
        return f"none{at(place)}"
    per_try = f", {retries['perTryTimeout']} each" if "perTryTimeout" in retries else ""
    codes = [str(code) for code in retries.get("retriableStatusCodes", ())]
    on = ", ".join([*filter(None, retries["retryOn"].split(",")), *codes])
    is_istios = all(retries[name] == _ISTIOS_RETRIES[name] for name in ("numRetries", "retryOn"))
    owner = "Istio's" if is_istios else "the mesh's"
    default = "" if place else f" ({owner} default)"
    return f"{retries['numRetries']} on {on}{per_try}{default}{at(place)}"


def _settings(destinations: Sequence[Json]) -> Iterator[Line]:
    """The settings of the clusters; once where all have the same."""
    by_text: dict[str, list[str]] = {}
    for destination in destinations:
        for setting in destination["settings"]:
            owner = f" {object_of(setting['place'])}" if setting["place"] else ""
            level = f"{_LEVELS[setting['level']]}{owner}"
            said = f"{setting['name']}: {setting['value']} ({level}){at(setting['place'])}"
            by_text.setdefault(said, []).append(destination["subset"] or destination["host"])
    for said, names in by_text.items():
        only = "" if len(names) == len(destinations) else f"{listed(names)}: "
        yield "cluster", f"{only}{said}"


def _causes(document: Json, width: int) -> str:
    """Why a proxy answers, or the request leaves the mesh; else warnings about what is on its way."""
    is_served = all(outcome["workload"] and not outcome["answer"] for outcome in document["outcomes"])
    lines: list[Line] = []
    for cause in document["causes"]:
        place = cause["place"]
        code = f" ({cause['code']})" if cause["code"] else ""
        where = f"{object_of(place)} {place['field']}: " if place and cause["code"] else ""
        label = "warning" if is_served or cause["warning"] else "because"
        lines.append((label, f"{where}{cause['message']}{code}{at(place)}"))
        if cause["fix"]:
            lines.append(("fix", cause["fix"]))
    return block(lines, width)
