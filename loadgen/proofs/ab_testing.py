"""A/B testing: who sends the same value of a header always meets the same pod, and so the same version.

What is sent: the page for many values, twice each, then every file that each page asks for, as a browser
would, with the same value. A hash is not left to chance, so one exception is too many: each value has one
pod, and each page gets its own version's files (another version answers 404). That many values reach all
versions is as good as certain: a ring of 1,024 or more entries gives no pod less than a fair part.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.hashing import hashed_by
from loadgen.meshstate.pods import name_of, ready
from loadgen.meshstate.shares import edge_route
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, exact_check, inconclusive, judge

SERVICE = "frontend"
REMEDY = remedy("ab-testing")
VALUES = tuple(f"visitor-{number}" for number in range(200))
TIMES = 2
CONNECTIONS = 16
_FILE = re.compile(rb"""(?:href|src)="(/static/[^"]+)\"""")


@dataclass(slots=True)
class Visit:
    """What one value got: the pods that answered, the versions, and whether all files of the page came."""

    pods: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    answered: int = 0
    broken: int = 0
    lost: int = 0


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the header in force, visit as many, judge."""
    header = header_in_force(bench.resources())
    pods = _pods(bench)
    bench.facts["in force"] = (
        f"{SERVICE} hashed by the header {header}, pods {', '.join(sorted(pods))} "
        f"of {' and '.join(sorted(set(pods.values())))}"
    )
    visits: dict[str, Visit] = defaultdict(Visit)
    pages = LoadPlan(
        tuple(_request("/", header, value) for value in VALUES),
        TIMES * len(VALUES),
        CONNECTIONS,
        timeout_seconds=10,
        purpose="pages",
        keep_answers=True,
    )
    record(visits, VALUES, bench.send(pages))
    wanted = [(value, file) for value in VALUES for file in sorted(visits[value].files)]
    if wanted:
        requests = tuple(_request(file, header, value) for value, file in wanted)
        files = LoadPlan(requests, len(wanted), CONNECTIONS, timeout_seconds=10, purpose="files")
        record(visits, [value for value, _ in wanted], bench.send(files))
    if header_in_force(bench.resources()) != header or _pods(bench) != pods:
        raise UnsupportedConfig("the configuration or the pods changed while the requests were sent")
    return judged(visits, set(pods.values()))


def header_in_force(resources: Resources) -> str:
    """The header by which the gateway chooses a pod for the page."""
    route = edge_route(resources, Call("GET", "/"))
    header = hashed_by(resources, route, remedy=REMEDY)
    destination = route.destinations[0]["destination"]
    if destination["host"].partition(".")[0] != SERVICE or "subset" in destination:
        where = f"{destination['host']} {destination.get('subset', '')}".strip()
        raise NotConfigured(f"{route.where} leads to {where}, not to all pods of {SERVICE}; {REMEDY}")
    return header


def _pods(bench: ProofContext) -> dict[str, str]:
    """The version of each ready pod."""
    return {
        name_of(pod): str(pod["metadata"]["labels"].get("version", ""))
        for pod in bench.api.pods(app=SERVICE)
        if ready(pod)
    }


def _request(path: str, header: str, value: str) -> Request:
    return Request("GET", path, ((header, value),))


def record(visits: Mapping[str, Visit], values: Sequence[str], measurement: Measurement) -> None:
    """Add the answers to the visits; the requests had these values, in rotation."""
    for one in measurement.observations:
        _record(visits[values[one.number % len(values)]], one)


def _record(visit: Visit, one: Observation) -> None:
    hop = next((hop for hop in one.hops if hop.service == SERVICE), None)
    if hop is None or one.status is None:
        visit.lost += 1
        return
    visit.answered += 1
    visit.pods.add(hop.pod)
    visit.versions.add(hop.version)
    visit.broken += one.failed
    visit.files |= {file.decode("latin-1") for file in _FILE.findall(one.body)}


def judged(visits: Mapping[str, Visit], versions: set[str]) -> list[Check]:
    """One pod for each value, all versions for many, whole pages."""
    known = [visit for visit in visits.values() if visit.answered and not visit.lost]
    unknown = len(VALUES) - len(known)
    plan = design(1.0, len(VALUES))
    one_pod = sum(len(visit.pods) == 1 for visit in known)
    whole = sum(len(visit.versions) == 1 and visit.files != set() and not visit.broken for visit in known)
    found = {version for visit in visits.values() for version in visit.versions}
    name, all_of_them = "all versions met", " and ".join(sorted(versions))
    return [
        judge("same value, same pod", "every value", plan, Count(one_pod, len(VALUES), unknown)),
        judge("pages of one version", "every page whole", plan, Count(whole, len(VALUES), unknown)),
        exact_check(name, all_of_them, " and ".join(sorted(found)) or None)
        if len(versions) > 1
        else inconclusive(name, "more than one", f"only {all_of_them or 'no version'} has ready pods"),
    ]


PROOF = Proof(
    scenario="ab-testing",
    proves="the same header value meets the same pod, always, and pages are whole",
    prove=prove,
)
