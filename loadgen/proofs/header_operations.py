"""Header operations: what the gateway does to requests and answers, beyond choosing who serves them.

None of it is left to chance, so each operation in force is looked at by itself, in many answers that must
all show it: headers of the request in what /about says arrived, headers of the response and of CORS in the
answer, a rewrite by who answers, a redirect by where it points. That something was *removed* or
*overwritten* says something only if it was there: the request carries it, and the pod, asked directly,
answers with it.
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
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.durations import seconds
from loadgen.meshstate.gateway_operations import routes_with
from loadgen.meshstate.pods import ready
from loadgen.meshstate.routes import Route
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import TRY_AGAIN, Check, exact_check, failed, inconclusive, passed

REMEDY = remedy("header-operations")
OURS = "from-the-caller"
STRANGER = "https://stranger.example"
TIMES = 20
CONNECTIONS = 8
PORT = 8080
_KINDS = (
    ("redirect",),
    ("rewrite", "uri"),
    ("headers", "request"),
    ("headers", "response"),
    ("corsPolicy",),
)

Read = Callable[[Observation], str]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What every answer to a request must show: `expected`, as `read` takes it from the answer."""

    name: str
    expected: str
    read: Read


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and all that its answers must show."""

    request: Request
    expectations: tuple[Expectation, ...] = field(default=())


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read every operation in force, send requests that meet them, look."""
    resources = bench.resources()
    probes, missing = probes_for(resources, bench)
    bench.facts["in force"] = ", ".join(
        sorted({expectation.name.partition(" ")[0] for probe in probes for expectation in probe.expectations})
    )
    plan = LoadPlan(
        tuple(probe.request for probe in probes),
        TIMES * len(probes),
        CONNECTIONS,
        timeout_seconds=10,
        keep_answers=True,
    )
    measurement = bench.send(plan)
    if bench.resources() != resources:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return [*judged(probes, measurement), *missing]


def probes_for(resources: Resources, bench: ProofContext) -> tuple[list[Probe], list[Check]]:
    """The probes for what is in force, and a failed check for each kind of operation that is not."""
    makers: tuple[Callable[[str, Route], Probe], ...] = (
        lambda path, route: _redirect(path, route, bench.gateway.authority),
        _rewrite,
        _request_headers,
        lambda path, route: _response_headers(path, route, _own_headers(bench, path, route)),
    )
    probes: list[Probe] = []
    missing: list[Check] = []
    for fields, make in zip(_KINDS, (*makers, None), strict=True):
        try:
            for path, route in routes_with(resources, *fields):
                probes += _cors(path, route) if make is None else [make(path, route)]
        except NotConfigured as finding:
            missing.append(failed(".".join(fields), "in force", f"{finding}; {REMEDY}"))
    if not probes:
        raise NotConfigured(f"the gateway redirects, rewrites and changes nothing; {REMEDY}")
    return probes, missing


def _redirect(path: str, route: Route, authority: str) -> Probe:
    spec = route.spec["redirect"]
    unknown = set(spec) - {"uri", "authority", "redirectCode", "scheme"}
    if unknown:
        raise UnsupportedConfig(f"{route.where} redirects by {', '.join(sorted(unknown))}")
    place = f"{spec.get('scheme', 'http')}://{spec.get('authority', authority)}{spec.get('uri', path)}"
    return Probe(
        Request("GET", path),
        (
            Expectation("redirect status", str(spec.get("redirectCode", 301)), lambda one: str(one.status)),
            Expectation("redirect location", place, lambda one: one.header("location") or ""),
        ),
    )


def _rewrite(path: str, route: Route) -> Probe:
    """Rewritten to /about, the service tells who it is; any other path would be answered by 404."""
    if route.spec["rewrite"]["uri"] != "/about":
        raise UnsupportedConfig(
            f"{route.where} rewrites to {route.spec['rewrite']['uri']}: only /about shows it"
        )
    service = str(route.destinations[0]["destination"]["host"]).partition(".")[0]
    expected = f"/about of {service}"
    return Probe(
        Request("GET", path),
        (Expectation(f"rewrite {path}", expected, lambda one: f"/about of {_about(one, 'service')}"),),
    )


def _about(one: Observation, member: str) -> str:
    return str(json.loads(one.body).get(member, "")) if one.status == 200 else f"status {one.status}"


def _request_headers(path: str, route: Route) -> Probe:
    """What arrives of headers that the caller sends, too."""
    if (route.spec.get("rewrite") or {}).get("uri", path) != "/about":
        raise UnsupportedConfig(f"{route.where}: request headers show only where a request ends at /about")
    operations = route.spec["headers"]["request"]
    sent = [*operations.get("set", {}), *operations.get("add", {}), *operations.get("remove", ())]
    expectations = tuple(
        Expectation(f"request {name}", expected, _arrived(header))
        for name, header, expected in _expected(operations, dict.fromkeys(sent, OURS))
    )
    return Probe(Request("GET", path, tuple((header, OURS) for header in sent)), expectations)


def _arrived(header: str) -> Read:
    def read(one: Observation) -> str:
        if one.status != 200:
            return f"status {one.status}"
        value = json.loads(one.body)["headers"].get(header.lower())
        return _listed(value)

    return read


def _response_headers(path: str, route: Route, own: Mapping[str, str]) -> Probe:
    """What leaves of headers that the pod answers with, too."""
    expectations = tuple(
        Expectation(f"response {name}", expected, _left(header))
        for name, header, expected in _expected(route.spec["headers"]["response"], own)
    )
    return Probe(Request("GET", path), expectations)


def _left(header: str) -> Read:
    return lambda one: _listed(one.header(header))


def _expected(operations: Mapping[str, Any], before: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each operation's name, header, and value after it; `before` are the values without it."""
    lower = {name.lower(): value for name, value in before.items()}
    for header, value in (operations.get("set") or {}).items():
        yield f"set {header}", header, _listed(value)
    for header, value in (operations.get("add") or {}).items():
        parts = (lower[header.lower()], value) if header.lower() in lower else (value,)
        yield f"add {header}", header, _listed(", ".join(parts))
    for header in operations.get("remove") or ():
        if header.lower() not in lower:
            raise UnsupportedConfig(f"{header} is removed, but was not there: that it is absent says nothing")
        yield f"remove {header}", header, "absent"


def _listed(value: str | None) -> str:
    """A header's value, in one form whether it came as several fields or as one.

    The attempt that a service writes behind its name is not known beforehand, and not compared.
    """
    return (
        "absent"
        if value is None
        else ", ".join(part.partition(";attempt=")[0].strip() for part in value.split(","))
    )


def _own_headers(bench: ProofContext, path: str, route: Route) -> Mapping[str, str]:
    """The headers that the route's pod answers with if it is asked past the gateway."""
    destination = route.destinations[0]["destination"]
    labels = {"app": str(destination["host"]).partition(".")[0]}
    if "subset" in destination:
        labels["version"] = destination["subset"]
    pods = [pod for pod in bench.api.pods(**labels) if ready(pod)]
    if len(pods) != 1:
        raise UnsupportedConfig(
            f"{route.where} leads to {len(pods)} pods: one is expected, to be asked directly"
        )
    own = (route.spec.get("rewrite") or {}).get("uri", path)
    return bench.api.pod_headers(pods[0], PORT, own.removeprefix("/"))


def _cors(path: str, route: Route) -> list[Probe]:
    """A preflight and a request of an allowed origin, and a request of another one."""
    policy = route.spec["corsPolicy"]
    if path != PATH:
        raise UnsupportedConfig(f"{route.where}: CORS is tried at {PATH} only")
    origin = _origin(policy, route)
    headers = ("access-control-request-method", policy.get("allowMethods", ["POST"])[0])
    answered = [
        Expectation("cors preflight", "200", lambda one: str(one.status)),
        Expectation("cors origin", origin, _left("access-control-allow-origin")),
    ]
    listed = {"allowMethods": "methods", "allowHeaders": "headers"}
    answered += [
        Expectation(f"cors {word}", ", ".join(policy[name]), _left(f"access-control-allow-{word}"))
        for name, word in listed.items()
        if policy.get(name)
    ]
    if "maxAge" in policy:
        age = f"{seconds(policy['maxAge']):.0f}"
        answered.append(Expectation("cors max-age", age, _left("access-control-max-age")))
    request = sentiment_requests()[0]
    allowed, other = (
        Request("POST", path, (*request.headers, ("origin", each)), request.body)
        for each in (origin, STRANGER)
    )
    allow = _left("access-control-allow-origin")
    return [
        Probe(Request("OPTIONS", path, (("origin", origin), headers)), tuple(answered)),
        Probe(allowed, (Expectation("cors allowed origin", origin, allow),)),
        Probe(other, (Expectation("cors another origin", "absent", allow),)),
    ]


def _origin(policy: Mapping[str, Sequence[Mapping[str, str]]], route: Route) -> str:
    """An origin that the policy allows, while it does not allow `STRANGER`."""
    for match in policy.get("allowOrigins", ()):
        if "exact" in match and match["exact"] not in {"*", STRANGER}:
            return match["exact"]
    raise UnsupportedConfig(f"{route.where}: no origin is allowed by its exact name")


def judged(probes: Sequence[Probe], measurement: Measurement) -> list[Check]:
    """Whether all answers to each probe show what they must."""
    answers: list[list[Observation]] = [[] for _ in probes]
    for one in measurement.observations:
        answers[one.number % len(probes)].append(one)
    return [
        _judged(expectation, own)
        for probe, own in zip(probes, answers, strict=True)
        for expectation in probe.expectations
    ]


def _judged(expectation: Expectation, answers: Sequence[Observation]) -> Check:
    if len(answers) < TIMES or any(one.status is None for one in answers):
        known = sum(one.status is not None for one in answers)
        return inconclusive(
            expectation.name, expectation.expected, f"only {known} of {TIMES} answers came; {TRY_AGAIN}"
        )
    found = sorted({expectation.read(one) for one in answers})
    if found == [expectation.expected]:
        return passed(expectation.name, expectation.expected)
    return exact_check(expectation.name, expectation.expected, " or ".join(found))


PROOF = Proof(
    scenario="header-operations",
    proves="the gateway sets, adds and removes headers, rewrites, redirects and answers CORS",
    prove=prove,
)
