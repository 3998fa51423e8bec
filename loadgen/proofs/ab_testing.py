"""A/B testing: requests with the same value of a header reach the same pod, and so the same version.

The load is the page for many values, twice each, then every file that each page refers to, as a browser
requests them, with the same value. A hash leaves nothing to chance, so one exception is too many: each value
has one pod, and each page gets the files of its own version (another version answers 404). That many values
reach all versions is practically certain: in a ring of 1,024 or more entries every pod has a fair part.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources
from loadgen.meshstate.pods import is_ready, name_of
from loadgen.meshstate.resources import service_name
from loadgen.meshstate.routes import edge_route
from loadgen.meshstate.traffic_policy import hash_header
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, exact_check, inconclusive
from loadgen.statistics.judge import judge as judge_share

SERVICE = "frontend"
REMEDY = remedy("ab-testing")
VALUES = tuple(f"visitor-{number}" for number in range(200))
TIMES = 2
CONNECTIONS = 16
_FILE = re.compile(rb"""(?:href|src)="(/static/[^"]+)\"""")


@dataclass(frozen=True, slots=True)
class Expectation:
    """The header that is hashed, and the version of each ready pod."""

    header: str
    pods: Mapping[str, str]

    @property
    def versions(self) -> set[str]:
        """The versions with ready pods."""
        return set(self.pods.values())


@dataclass(slots=True)
class Visit:
    """What one value got: the pods and versions that answered, the files of its page, and failures."""

    pods: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    answered: int = 0
    failed: int = 0
    lost: int = 0


def read(resources: Resources) -> Expectation:
    """The header by which the gateway chooses a pod for the page."""
    route = edge_route(resources, Call("GET", "/"))
    header = hash_header(resources, route, remedy=REMEDY)
    destination = route.destinations[0]["destination"]
    if service_name(destination["host"]) != SERVICE or "subset" in destination:
        where = f"{destination['host']} {destination.get('subset', '')}".strip()
        raise NotConfigured(f"{route.where} leads to {where}, not to all pods of {SERVICE}; {REMEDY}")
    pods = {
        name_of(pod): str(pod["metadata"]["labels"].get("version", ""))
        for pod in resources.pods_of(SERVICE)
        if is_ready(pod)
    }
    return Expectation(header, pods)


def facts(expectation: Expectation) -> dict[str, str]:
    """The header and the pods."""
    return {
        "configured": f"{SERVICE} hashed by the header {expectation.header}, "
        f"pods {', '.join(sorted(expectation.pods))} of {' and '.join(sorted(expectation.versions))}"
    }


def measure(context: ProofContext, expectation: Expectation) -> dict[str, Visit]:
    """Request the page for every value, then the files of the pages."""
    header = expectation.header
    visits: dict[str, Visit] = defaultdict(Visit)
    pages = LoadPlan(
        tuple(_request("/", header, value) for value in VALUES),
        TIMES * len(VALUES),
        CONNECTIONS,
        timeout_seconds=10,
        purpose="pages",
        keep_answers=True,
    )
    record(visits, VALUES, context.send(pages))
    files = [(value, file) for value in VALUES for file in sorted(visits[value].files)]
    if files:
        requests = tuple(_request(file, header, value) for value, file in files)
        plan = LoadPlan(requests, len(files), CONNECTIONS, timeout_seconds=10, purpose="files")
        record(visits, [value for value, _ in files], context.send(plan))
    return visits


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
    visit.failed += one.failed
    visit.files |= {file.decode("latin-1") for file in _FILE.findall(one.body)}


def judge(expectation: Expectation, visits: Mapping[str, Visit]) -> list[Check]:
    """One pod for each value, all versions for many, complete pages."""
    known = [visit for visit in visits.values() if visit.answered and not visit.lost]
    unknown = len(VALUES) - len(known)
    plan = design(1.0, len(VALUES))
    one_pod = sum(len(visit.pods) == 1 for visit in known)
    complete = sum(len(visit.versions) == 1 and visit.files != set() and not visit.failed for visit in known)
    reached = {version for visit in visits.values() for version in visit.versions}
    name, versions = "all versions reached", " and ".join(sorted(expectation.versions))
    return [
        judge_share("same value, same pod", "every value", plan, Count(one_pod, len(VALUES), unknown)),
        judge_share(
            "pages of one version", "every page complete", plan, Count(complete, len(VALUES), unknown)
        ),
        exact_check(name, versions, " and ".join(sorted(reached)) or None)
        if len(expectation.versions) > 1
        else inconclusive(
            name,
            "more than one",
            Cause.UNSUPPORTED_CONFIG,
            f"only {versions or 'no version'} has ready pods",
        ),
    ]


PROOF = Proof(
    scenario="ab-testing",
    proves="the same header value always reaches the same pod, and pages are complete",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
