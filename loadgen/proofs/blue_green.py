"""Blue-green: all users move to the other version at once, and back, without noticing the moment.

The two weights of the page's route are 100 and 0. The proof switches by exchanging them while requests are
in flight, twice: there and back. In the end the configuration is what it was, whatever happened.

A switch takes a moment to reach the gateway. After each one, small rounds are sent until one of them is
answered by the new version alone; then the measurement for "all requests" starts. Until then any version may
answer, but every request must be answered.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.gateway_api import KIND as HTTP_ROUTE
from loadgen.meshstate.gateway_api import virtual_services_of
from loadgen.meshstate.routes import edge_route
from loadgen.meshstate.split import shares_at_gateway
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, failed
from loadgen.statistics.judge import judge as judge_share

SERVICE = "frontend"
CALL = Call("GET", "/")
REMEDY = remedy("blue-green")
STEADY = LoadPlan((Request("GET", "/"),), 500, 16, timeout_seconds=10)
SWITCH = replace(STEADY, count=2_000)
ROUND = replace(STEADY, count=100)
SETTLING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Colours:
    """The version that serves all users and the idle one.

    Their weights are in entry `index` of the VirtualService or HTTPRoute `item`.
    """

    live: str
    idle: str
    where: str
    item: Mapping[str, Any] = field(compare=False)
    index: int

    @property
    def switched(self) -> Colours:
        """The colours after a switch."""
        item = with_exchanged_weights(self.item, self.index)
        return replace(self, live=self.idle, idle=self.live, item=item)


@dataclass(slots=True)
class Switch:
    """The answers during a switch, until the new version was alone (`settled`), and after it."""

    colours: Colours
    during: list[Observation] = field(default_factory=list)
    after: Measurement = field(default_factory=Measurement)
    planned: int = 0
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers before the first switch, and both switches."""

    before: Measurement
    switches: Sequence[Switch]


def read(resources: Resources) -> Colours:
    """Raises NotConfigured unless the page's route gives one of two versions everything."""
    route = edge_route(resources, CALL)
    shares = shares_at_gateway(resources, SERVICE, CALL).shares
    weights = [int(entry.get("weight", 0)) for entry in route.destinations]
    if len(weights) != 2 or len(shares) != 1 or 0 not in weights:
        raise NotConfigured(
            f"{route.where} does not have two versions of which one gets all and one nothing; {REMEDY}"
        )
    (live,) = shares
    item, index = _object_of(resources, route.spec)
    exchanged = _with_exchanged_weights(resources, item, index)
    (idle,) = shares_at_gateway(exchanged, SERVICE, CALL).shares
    return Colours(live, idle, route.where, item, index)


def _object_of(resources: Resources, spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """The object that a route is from, and the place of the route in it."""
    for item in resources.virtual_services:
        for index, route in enumerate(item["spec"].get("http", ())):
            if route is spec:
                is_own = item.get("kind") != HTTP_ROUTE
                return (item, index) if is_own else (item["original"], item["spec"]["written"][index])
    raise UnsupportedConfig("the route of the page belongs to no VirtualService")


def _with_exchanged_weights(resources: Resources, item: Mapping[str, Any], index: int) -> Resources:
    others = [
        other
        for other in resources.virtual_services
        if item is not other and item is not other.get("original")
    ]
    changed = with_exchanged_weights(item, index)
    new = virtual_services_of([changed]) if item.get("kind") == HTTP_ROUTE else [changed]
    return replace(resources, virtual_services=(*others, *new))


def with_exchanged_weights(item: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The same VirtualService or HTTPRoute with the two weights of one route exchanged."""
    changed = copy.deepcopy(dict(item))
    if changed.get("kind") == HTTP_ROUTE:
        first, second = changed["spec"]["rules"][index]["backendRefs"]
        default = 1
    else:
        first, second = changed["spec"]["http"][index]["route"]
        default = 0
    first["weight"], second["weight"] = second.get("weight", default), first.get("weight", default)
    return changed


def facts(colours: Colours) -> dict[str, str]:
    """The weights."""
    return {"configured": f"{colours.where}: {colours.live} 100 %, {colours.idle} 0 %"}


def measure(context: ProofContext, colours: Colours) -> Observed:
    """Send, switch under load, send, switch back under load, send."""
    before = context.send(replace(STEADY, purpose="before"))
    try:
        switches = [_switch(context, colours, "there"), _switch(context, colours.switched, "back")]
    finally:
        context.change(context.api, dict(colours.item))
    return Observed(before, switches)


def _switch(context: ProofContext, colours: Colours, direction: str) -> Switch:
    """Exchange the weights while requests are in flight, and go on until the new version answers alone."""
    switch = Switch(colours)
    load_plan = replace(SWITCH, purpose=f"switching {direction}")
    measurement = _send_while_switching(context, colours, load_plan)
    switch.planned = measurement.planned
    switch.during += measurement.observations
    end = time.monotonic() + SETTLING_SECONDS
    while not switch.settled and time.monotonic() < end:
        measurement = context.send(replace(ROUND, purpose=f"settling {direction}"))
        switch.planned += measurement.planned
        switch.during += measurement.observations
        switch.settled = set(measurement.versions_of(SERVICE)) == {colours.idle}
    switch.after = context.send(replace(STEADY, purpose=f"after, {direction}"))
    return switch


def _send_while_switching(context: ProofContext, colours: Colours, load_plan: LoadPlan) -> Measurement:
    """Send, and exchange the weights when a quarter has been answered; both have ended on return."""
    errors: list[BaseException] = []

    def change() -> None:
        try:
            context.change(context.api, dict(colours.switched.item))
        except Exception as error:  # raised below, in the thread of the proof
            errors.append(error)

    thread = threading.Thread(target=change, daemon=True)
    try:
        measurement = context.send(load_plan, meanwhile=(load_plan.count // 4, thread.start))
    finally:
        # Also after Ctrl-C: the switch must not arrive later than the restored configuration.
        if thread.ident is not None:
            thread.join()
    if errors:
        raise errors[0]
    return measurement


def judge(colours: Colours, observed: Observed) -> list[Check]:
    """All by the live version at first, and what `judge_switch` checks of each switch."""
    checks = [_all_by(f"before: all {colours.live}", colours.live, observed.before)]
    return [*checks, *(check for switch in observed.switches for check in judge_switch(switch))]


def judge_switch(switch: Switch) -> list[Check]:
    """No request lost during the switch, and all answered by the new version after it."""
    live, idle = switch.colours.live, switch.colours.idle
    lost = sum(one.failed and not one.abandoned for one in switch.during)
    unknown = sum(one.abandoned for one in switch.during)
    none_lost = judge_share(
        f"{live} to {idle}: lost",
        "no request",
        design(0.0, switch.planned),
        Count(lost, len(switch.during), unknown),
    )
    name = f"{live} to {idle}: then all {idle}"
    if switch.settled:
        return [none_lost, _all_by(name, idle, switch.after)]
    reason = f"{live} still answered {SETTLING_SECONDS} s after the switch"
    return [none_lost, failed(name, "all requests", reason)]


def _all_by(name: str, version: str, measurement: Measurement) -> Check:
    answered = measurement.count(lambda one: one.version_of(SERVICE) == version and not one.failed)
    count = Count(answered, len(measurement), measurement.abandoned)
    return judge_share(name, "all requests", design(1.0, measurement.planned), count)


PROOF = Proof(
    scenario="blue-green",
    proves="all users move to the other version and back, and no request is lost",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
