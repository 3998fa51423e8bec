"""Header operations: what the gateway does to requests and answers in addition to routing.

None of it is left to chance, so each operation is checked by itself in many answers that must all show it:
request headers in what /about reports as arrived, response headers and CORS in the answer, a rewrite by who
answers, a redirect by its location. A header that is *removed* or *overwritten* must have been there: the
request carries it, and the pod, asked directly, answers with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import NotConfigured, Resources, Route, UnsupportedConfig
from loadgen.meshstate.pods import is_ready
from loadgen.meshstate.resources import seconds, service_name
from loadgen.meshstate.routes import gateway_routes_with
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Cause, Check, exact_check, failed, inconclusive, passed

REMEDY = remedy("header-operations")
OURS = "from-the-caller"
STRANGER = "https://stranger.example"
TIMES = 20
CONNECTIONS = 8
PORT = 8080
_REDIRECT = ("redirect",)
_REWRITE = ("rewrite", "uri")
_REQUEST = ("headers", "request")
_RESPONSE = ("headers", "response")
_CORS = ("corsPolicy",)
_KINDS = {
    _REDIRECT: "redirect",
    _REWRITE: "rewrite",
    _REQUEST: "request",
    _RESPONSE: "response",
    _CORS: "cors",
}
"""The fields of a route that operate on requests or answers, and what the report calls them."""

Read = Callable[[Observation], str]


@dataclass(frozen=True, slots=True)
class Property:
    """What every answer to a request must show: `expected`, as `read` takes it from the answer."""

    name: str
    expected: str
    read: Read


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and the properties of its answers."""

    request: Request
    properties: tuple[Property, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Expectation:
    """The routes with each kind of operation, with a path that they take, and the kinds that are missing.

    `labels` are those of the pods that a route leads to, by its place.
    """

    routes: Mapping[tuple[str, ...], Sequence[tuple[str, Route]]]
    missing: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """The probes, and the answers to their requests in rotation."""

    probes: Sequence[Probe]
    measurement: Measurement


def read(resources: Resources) -> Expectation:
    """All operations of the gateway; those that it lacks are failed checks, as long as there are others."""
    routes: dict[tuple[str, ...], Sequence[tuple[str, Route]]] = {}
    missing: dict[str, str] = {}
    for kind in _KINDS:
        try:
            routes[kind] = gateway_routes_with(resources, *kind)
        except NotConfigured as finding:
            missing[".".join(kind)] = f"{finding}; {REMEDY}"
    if not routes:
        raise NotConfigured(f"the gateway redirects, rewrites and changes nothing; {REMEDY}")
    found = (route for kind in routes.values() for _, route in kind if route.destinations)
    return Expectation(routes, missing, {route.where: _labels(resources, route) for route in found})


def _labels(resources: Resources, route: Route) -> Mapping[str, str]:
    """The labels of the pods that a route leads to: those that its Service selects, and its subset."""
    destination = route.destinations[0]["destination"]
    name = service_name(destination["host"])
    own = [item for item in resources.services if item["metadata"]["name"] == name]
    selector: Mapping[str, str] = (own[0]["spec"].get("selector") if own else None) or {"app": name}
    subset = {"version": destination["subset"]} if "subset" in destination else {}
    return {**selector, **subset}


def facts(expectation: Expectation) -> dict[str, str]:
    """The kinds of operations."""
    return {"configured": ", ".join(sorted(_KINDS[kind] for kind in expectation.routes))}


def measure(context: ProofContext, expectation: Expectation) -> Observed:
    """Send requests that meet each operation."""
    probes = probes_for(context, expectation)
    plan = LoadPlan(
        tuple(probe.request for probe in probes),
        TIMES * len(probes),
        CONNECTIONS,
        timeout_seconds=10,
        keep_answers=True,
    )
    return Observed(probes, context.send(plan))


def probes_for(context: ProofContext, expectation: Expectation) -> list[Probe]:
    """The probes of all operations."""
    makers: dict[tuple[str, ...], Callable[[str, Route], list[Probe]]] = {
        _REDIRECT: lambda path, route: [_redirect(path, route, context.gateway.authority)],
        _REWRITE: lambda path, route: [_rewrite(path, route, expectation.labels[route.where])],
        _REQUEST: lambda path, route: [_request_headers(path, route)],
        _RESPONSE: lambda path, route: [
            _response_headers(
                path, route, _own_headers(context, path, route, expectation.labels[route.where])
            )
        ],
        _CORS: _cors,
    }
    return [
        probe
        for kind, routes in expectation.routes.items()
        for path, route in routes
        for probe in makers[kind](path, route)
    ]


def _redirect(path: str, route: Route, authority: str) -> Probe:
    spec = route.spec["redirect"]
    unknown = set(spec) - {"uri", "authority", "redirectCode", "scheme"}
    if unknown:
        raise UnsupportedConfig(f"{route.where} redirects by {', '.join(sorted(unknown))}")
    place = f"{spec.get('scheme', 'http')}://{spec.get('authority', authority)}{spec.get('uri', path)}"
    return Probe(
        Request("GET", path),
        (
            Property("redirect status", str(spec.get("redirectCode", 301)), lambda one: str(one.status)),
            Property("redirect location", place, lambda one: one.header("location") or ""),
        ),
    )


def _rewrite(path: str, route: Route, labels: Mapping[str, str]) -> Probe:
    """Rewritten to /about, the service names itself; to any other path it would answer 404."""
    if route.spec["rewrite"]["uri"] != "/about":
        raise UnsupportedConfig(
            f"{route.where} rewrites to {route.spec['rewrite']['uri']}: only /about shows it"
        )
    expected = f"/about of {labels['app']}"
    return Probe(
        Request("GET", path),
        (Property(f"rewrite {path}", expected, lambda one: f"/about of {_about(one, 'service')}"),),
    )


def _about(one: Observation, member: str) -> str:
    return str(json.loads(one.body).get(member, "")) if one.status == 200 else f"status {one.status}"


def _request_headers(path: str, route: Route) -> Probe:
    """Operations on request headers; the caller sends each of them, too."""
    if (route.spec.get("rewrite") or {}).get("uri", path) != "/about":
        raise UnsupportedConfig(f"{route.where}: request headers show only where a request ends at /about")
    operations = route.spec["headers"]["request"]
    sent = [*operations.get("set", {}), *operations.get("add", {}), *operations.get("remove", ())]
    properties = tuple(
        Property(f"request {name}", expected, _arrived(header))
        for name, header, expected in _expected(operations, dict.fromkeys(sent, OURS))
    )
    return Probe(Request("GET", path, tuple((header, OURS) for header in sent)), properties)


def _arrived(header: str) -> Read:
    def read(one: Observation) -> str:
        if one.status != 200:
            return f"status {one.status}"
        value = json.loads(one.body)["headers"].get(header.lower())
        return _listed(value)

    return read


def _response_headers(path: str, route: Route, own: Mapping[str, str]) -> Probe:
    """Operations on response headers; `own` are those of the pod."""
    properties = tuple(
        Property(f"response {name}", expected, _left(header))
        for name, header, expected in _expected(route.spec["headers"]["response"], own)
    )
    return Probe(Request("GET", path), properties)


def _left(header: str) -> Read:
    return lambda one: _listed(one.header(header))


def _expected(operations: Mapping[str, Any], before: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each operation's name, header, and resulting value; `before` are the values without it."""
    lower = {name.lower(): value for name, value in before.items()}
    for header, value in (operations.get("set") or {}).items():
        yield f"set {header}", header, _listed(value)
    for header, value in (operations.get("add") or {}).items():
        parts = (lower[header.lower()], value) if header.lower() in lower else (value,)
        yield f"add {header}", header, _listed(", ".join(parts))
    for header in operations.get("remove") or ():
        if header.lower() not in lower:
            raise UnsupportedConfig(f"{header} is removed, but was not there: its absence proves nothing")
        yield f"remove {header}", header, "absent"


def _listed(value: str | None) -> str:
    """A header's value in the same form whether it came as several fields or as one.

    The attempt that a service appends to its name is not predictable, and not compared.
    """
    return (
        "absent"
        if value is None
        else ", ".join(part.partition(";attempt=")[0].strip() for part in value.split(","))
    )


def _own_headers(
    context: ProofContext, path: str, route: Route, labels: Mapping[str, str]
) -> Mapping[str, str]:
    """The headers with which the route's pod answers without the gateway."""
    pods = [pod for pod in context.api.pods(**labels) if is_ready(pod)]
    if len(pods) != 1:
        raise UnsupportedConfig(
            f"{route.where} leads to {len(pods)} pods: one is expected, which is asked directly"
        )
    own = (route.spec.get("rewrite") or {}).get("uri", path)
    return context.api.pod_headers(pods[0], PORT, own.removeprefix("/"))


def _cors(path: str, route: Route) -> list[Probe]:
    """A preflight and a request from an allowed origin, and a request from another one."""
    policy = route.spec["corsPolicy"]
    if path != PATH:
        raise UnsupportedConfig(f"{route.where}: CORS is checked at {PATH} only")
    origin = _origin(policy, route)
    headers = ("access-control-request-method", policy.get("allowMethods", ["POST"])[0])
    answered = [
        Property("cors preflight", "200", lambda one: str(one.status)),
        Property("cors origin", origin, _left("access-control-allow-origin")),
    ]
    listed = {"allowMethods": "methods", "allowHeaders": "headers"}
    answered += [
        Property(f"cors {word}", ", ".join(policy[name]), _left(f"access-control-allow-{word}"))
        for name, word in listed.items()
        if policy.get(name)
    ]
    if "maxAge" in policy:
        age = f"{seconds(policy['maxAge']):.0f}"
        answered.append(Property("cors max-age", age, _left("access-control-max-age")))
    request = sentiment_requests()[0]
    allowed, other = (
        Request("POST", path, (*request.headers, ("origin", value)), request.body)
        for value in (origin, STRANGER)
    )
    allow = _left("access-control-allow-origin")
    return [
        Probe(Request("OPTIONS", path, (("origin", origin), headers)), tuple(answered)),
        Probe(allowed, (Property("cors allowed origin", origin, allow),)),
        Probe(other, (Property("cors another origin", "absent", allow),)),
    ]


def _origin(policy: Mapping[str, Sequence[Mapping[str, str]]], route: Route) -> str:
    """An origin that the policy allows, while it does not allow `STRANGER`."""
    for match in policy.get("allowOrigins", ()):
        if "exact" in match and match["exact"] not in {"*", STRANGER}:
            return match["exact"]
    raise UnsupportedConfig(f"{route.where}: no origin is allowed by its exact name")


def judge(expectation: Expectation, observed: Observed) -> list[Check]:
    """Whether all answers to each probe have its properties, and no kind of operation is missing."""
    probes = observed.probes
    answers: list[list[Observation]] = [[] for _ in probes]
    for one in observed.measurement.observations:
        answers[one.number % len(probes)].append(one)
    checks = [
        _check(prop, own) for probe, own in zip(probes, answers, strict=True) for prop in probe.properties
    ]
    return [*checks, *(failed(name, "configured", reason) for name, reason in expectation.missing.items())]


def _check(prop: Property, answers: Sequence[Observation]) -> Check:
    if len(answers) < TIMES or any(one.status is None for one in answers):
        answered = sum(one.status is not None for one in answers)
        reason = f"only {answered} of {TIMES} requests were answered"
        return inconclusive(prop.name, prop.expected, Cause.TOO_FEW, reason)
    observed = sorted({prop.read(one) for one in answers})
    if observed == [prop.expected]:
        return passed(prop.name, prop.expected)
    return exact_check(prop.name, prop.expected, " or ".join(observed))


PROOF = Proof(
    scenario="header-operations",
    proves="the gateway sets, adds and removes headers, rewrites, redirects and answers CORS",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
