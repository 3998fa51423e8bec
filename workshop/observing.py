"""Sends the requests of an exercise and collects what the mesh did with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loadgen.http1 import Loss
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import MeshApi
from loadgen.meshstate.access_log import new_entries, read_logs
from loadgen.meshstate.api import NoAnswerOfPod
from loadgen.meshstate.pods import is_ready, metric_sum, name_of
from loadgen.proofs.common.copies import SETTLING_SECONDS, Activity, in_flight, quiet_seconds, settled
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.design import trials_for
from workshop.exercise import Group, PodPort
from workshop.facets import COPIES, COUNTED, LINES

DETECTED_SHARE = 0.15
"""The deviation of a share left to chance that is detected: 30 % is told from 45 %, and 10 % from none."""
TIMES = 40
"""How often a request is sent whose answer is not left to chance: one deviation in nine is detected."""
TIMEOUT_SECONDS = 15.0
DIRECT_TIMES = 5
LOG_SECONDS = 1.5
"""Longer than proxies keep lines: a second on a cluster (pilot-agent: `--file-flush-interval-msec`)."""
BEFORE = 3
"""Connections to a port that the API may have kept open since before the configuration changed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers to the requests of one group, and what else of them was counted, by facet."""

    measurement: Measurement
    counted: Mapping[str, int] = field(default_factory=dict)


def observe(groups: Sequence[Group], context: ProofContext) -> dict[str, Seen]:
    """Send the requests of every group, one group after the other; by name of the group."""
    return {group.name: _observe(group, context) for group in groups}


def load_plan(group: Group, count: int, purpose: str) -> LoadPlan:
    """So many requests of a group."""
    return LoadPlan(
        (group.request,), count, group.at_once, TIMEOUT_SECONDS, purpose=purpose, keep_answers=True
    )


def times(group: Group) -> int:
    """How many requests the expectation of a group needs."""
    if group.times is not None:
        return group.times
    shares = [expected.low for expected in group.expected if expected.left_to_chance]
    needed = (trials_for(share, min(DETECTED_SHARE, share, 1 - share)) for share in shares)
    return max(needed, default=TIMES)


def _observe(group: Group, context: ProofContext) -> Seen:
    if group.direct is not None:
        return Seen(_ask_pods(context.api, group.direct, group.request.path))
    if group.first:
        context.send(load_plan(group, group.first, f"{group.name}, not counted"))
    facets = {item.facet for item in group.expected if item.facet.startswith(COUNTED)}
    counters = {facet: _counter(context, facet, group) for facet in facets}
    measurement = context.send(load_plan(group, times(group), group.name))
    return Seen(
        measurement,
        {facet: _counted(facet, counter, measurement) for facet, counter in counters.items()},
    )


def _counter(context: ProofContext, facet: str, group: Group) -> Callable[[], Activity]:
    """Counts from now on: the copies that a version has received, or the lines of a service's proxies."""
    if facet.startswith(LINES):
        return _lines(context.api, facet.removeprefix(LINES), f"{group.request.method} {group.request.path}")
    place = facet.removeprefix(COPIES)
    service, _, version = place.partition(" ")
    before = _requests_of(context.api, place)
    return lambda: Activity(_requests_of(context.api, place) - before, in_flight(context, service, version))


def _lines(api: MeshApi, app: str, request: str) -> Callable[[], Activity]:
    """Counts the lines that the proxies of an app's pods log of this request, from now on."""
    before = read_logs(api, app)

    def count() -> Activity:
        entries = new_entries(before, read_logs(api, app), app)
        return Activity(sum(entry.request == request for entry in entries), 0)

    return count


def _counted(facet: str, counter: Callable[[], Activity], measurement: Measurement) -> int:
    """The count once no more requests are under way, and proxies have written their logs."""
    quiet = quiet_seconds(measurement)
    settled(
        counter,
        enough=measurement.planned,
        within_seconds=SETTLING_SECONDS,
        quiet=quiet + LOG_SECONDS if facet.startswith(LINES) else quiet,
    )
    return int(counter().arrived)


def _requests_of(api: MeshApi, place: str) -> float:
    service, _, version = place.partition(" ")
    return metric_sum(api, service, version, f"sentimesh_{service}_requests_total")


def _ask_pods(api: MeshApi, direct: PodPort, path: str) -> Measurement:
    """Ask each ready pod of a service in plain text, from outside the mesh (Kubernetes' `pods/proxy`)."""
    pods = [name_of(pod) for pod in api.pods(app=direct.service) if is_ready(pod)]
    measurement = Measurement(planned=DIRECT_TIMES * len(pods), started=time.monotonic())
    for pod in pods:
        asked = [_ask(api, pod, direct.port, path) for _ in range(BEFORE + DIRECT_TIMES)]
        measurement.observations += asked[BEFORE:]
    return measurement


def _ask(api: MeshApi, pod: str, port: int, path: str) -> Observation:
    started = time.monotonic()
    try:
        status, text = api.pod_answer(pod, port, path.removeprefix("/"))
    except NoAnswerOfPod:
        return Observation(0, None, (), time.monotonic() - started, Loss.RESET)
    return Observation(0, status, (), time.monotonic() - started, body=text.encode())
