"""Blue-green: all users change to the other version at once, and back, and nobody notices the moment.

The two weights of the page's route are 100 and 0; to switch is to exchange them, which the proof does
itself while requests are on their way, twice: there and back. In the end what was in force is in force
again, whatever happened.

A switch takes a moment to reach the gateway. So after each one, small rounds are sent until one of them is
answered by the new version alone, and only then begins the measurement that says "all": until then, any
version may answer, but every request must be answered.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.shares import edge_route, shares_at_gateway
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, failed, judge

SERVICE = "frontend"
CALL = Call("GET", "/")
REMEDY = remedy("blue-green")
STEADY = LoadPlan((Request("GET", "/"),), 500, 16, timeout_seconds=10)
SWITCH = replace(STEADY, count=2_000)
ROUND = replace(STEADY, count=100)
SETTLING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Colours:
    """Who serves all users now, and who stands by; `item` is the VirtualService whose weights say so."""

    live: str
    idle: str
    where: str
    item: Mapping[str, Any]
    index: int


@dataclass(slots=True)
class Switch:
    """One switch: what was answered during it, until the new version was alone (`settled`), and after it."""

    colours: Colours
    during: list[Observation] = field(default_factory=list)
    after: Measurement = field(default_factory=Measurement)
    planned: int = 0
    settled: bool = False


def prove(bench: ProofContext) -> Sequence[Check]:
    """Look, switch under load, look, switch back under load, look."""
    colours = read_colours(bench.resources())
    bench.facts["in force"] = f"{colours.where}: {colours.live} 100 %, {colours.idle} 0 %"
    before = bench.send(replace(STEADY, purpose="before"))
    try:
        switches = [_switch(bench, read_colours(bench.resources()), way) for way in ("there", "back")]
    finally:
        bench.change(bench.api, dict(colours.item))
    return [_all_by(f"before: all {colours.live}", colours.live, before), *judged(switches)]


def read_colours(resources: Resources) -> Colours:
    """What is in force; raises NotInForce unless the page's route gives one version all and another none."""
    route = edge_route(resources, CALL)
    shares = shares_at_gateway(resources, SERVICE, CALL).shares
    weights = [int(entry.get("weight", 0)) for entry in route.destinations]
    if len(weights) != 2 or len(shares) != 1 or 0 not in weights:
        raise NotConfigured(
            f"{route.where} has no two versions of which one gets all and one nothing; {REMEDY}"
        )
    (live,) = shares
    item, index = _owner(resources, route.spec)
    standby = _exchanged(resources, item, index)
    (idle,) = shares_at_gateway(standby, SERVICE, CALL).shares
    return Colours(live, idle, route.where, item, index)


def _owner(resources: Resources, spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    for item in resources.virtual_services:
        for index, route in enumerate(item["spec"].get("http", ())):
            if route is spec:
                return item, index
    raise UnsupportedConfig("the route of the page belongs to no VirtualService")


def _exchanged(resources: Resources, item: Mapping[str, Any], index: int) -> Resources:
    others = (each for each in resources.virtual_services if each is not item)
    return replace(resources, virtual_services=(*others, switched(item, index)))


def switched(item: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The same VirtualService with the two weights of one route exchanged."""
    changed = copy.deepcopy(dict(item))
    first, second = changed["spec"]["http"][index]["route"]
    first["weight"], second["weight"] = second.get("weight", 0), first.get("weight", 0)
    return changed


def _switch(bench: ProofContext, colours: Colours, way: str) -> Switch:
    """Exchange the weights while requests are under way, and go on until the new version answers alone."""
    switch = Switch(colours)
    load_plan = replace(SWITCH, purpose=f"switching {way}")
    measurement = _sent_while_switching(bench, colours, load_plan)
    switch.planned = load_plan.count
    switch.during += measurement.observations
    end = time.monotonic() + SETTLING_SECONDS
    while not switch.settled and time.monotonic() < end:
        measurement = bench.send(replace(ROUND, purpose=f"settling {way}"))
        switch.planned += ROUND.count
        switch.during += measurement.observations
        switch.settled = set(measurement.versions_of(SERVICE)) == {colours.idle}
    switch.after = bench.send(replace(STEADY, purpose=f"after, {way}"))
    return switch


def _sent_while_switching(bench: ProofContext, colours: Colours, load_plan: LoadPlan) -> Measurement:
    """Send, and exchange the weights when a quarter has been answered; both have ended then."""
    error: list[BaseException] = []

    def change() -> None:
        try:
            bench.change(bench.api, switched(colours.item, colours.index))
        except Exception as problem:  # told below, in the thread of the proof
            error.append(problem)

    changing = threading.Thread(target=change, daemon=True)
    try:
        measurement = bench.send(load_plan, meanwhile=(load_plan.count // 4, changing.start))
    finally:
        # Also after Ctrl-C: what is put back then must not be overtaken by the switch.
        if changing.ident is not None:
            changing.join()
    if error:
        raise error[0]
    return measurement


def judged(switches: Iterable[Switch]) -> list[Check]:
    """For each switch: nothing lost in it, nobody else answered, and all by the new version after it."""
    checks = []
    for switch in switches:
        live, idle = switch.colours.live, switch.colours.idle
        lost = sum(one.failed and not one.abandoned for one in switch.during)
        unknown = sum(one.abandoned for one in switch.during)
        checks.append(
            judge(
                f"{live} to {idle}: lost",
                "not one request",
                design(0.0, switch.planned),
                Count(lost, len(switch.during), unknown),
            )
        )
        name = f"{live} to {idle}: then all {idle}"
        if switch.settled:
            checks.append(_all_by(name, idle, switch.after))
        else:
            reason = f"{live} still answered {SETTLING_SECONDS} s after the switch"
            checks.append(failed(name, "all requests", reason))
    return checks


def _all_by(name: str, version: str, measurement: Measurement) -> Check:
    answered = measurement.count(lambda one: one.version_of(SERVICE) == version and not one.failed)
    unknown = measurement.count(lambda one: one.abandoned)
    return judge(name, "all requests", design(1.0, STEADY.count), Count(answered, len(measurement), unknown))


PROOF = Proof(
    scenario="blue-green",
    proves="all users change to the other version and back, and not one request is lost",
    prove=prove,
)
