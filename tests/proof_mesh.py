"""A running application that tests apply manifests to and prove scenarios on."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from loadgen.http1 import Target
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import MeshApi
from loadgen.proofs import proofs
from loadgen.proofs.common.proof import ProofContext, Result, run
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Verdict
from localmesh.manifests import Resource
from localmesh.runtime import mesh as mesh_module

MEASUREMENTS = 3
"""How often something is measured, at most, where the machine is too busy for a verdict."""
LOADGEN = Path(sys.executable).with_name("loadgen")


@dataclass(frozen=True, repr=False)
class Proven:
    """The outcome of a proof."""

    result: Result

    @property
    def verdict(self) -> str:
        """The verdict of all checks together."""
        return str(self.result.verdict)

    @property
    def verdicts(self) -> dict[str, str]:
        """Each check's verdict by its name."""
        return {check.name: str(check.verdict) for check in self.result.checks}

    @property
    def expected(self) -> dict[str, str]:
        """What each check expects, by its name."""
        return {check.name: check.expected for check in self.result.checks}

    def __str__(self) -> str:
        """The checks that did not pass, with the reasons."""
        bad = [check for check in self.result.checks if check.verdict is not Verdict.PASS]
        return "; ".join(f"{check.name} {check.verdict}: {check.reason}" for check in bad)

    __repr__ = __str__


class SmallerSamples(ProofContext):
    """Sends a part of each load plan; the checks then detect only larger deviations."""

    PART = 1 / 4

    def send(
        self, load_plan: LoadPlan, *, meanwhile: tuple[int, Callable[[], None]] | None = None
    ) -> Measurement:
        """Send complete rounds of the plan's requests; what happens meanwhile happens after the same part."""
        each = len(load_plan.requests)
        if load_plan.until is None:
            load_plan = replace(load_plan, count=math.ceil(load_plan.count * self.PART / each) * each)
            if meanwhile is not None:
                meanwhile = (math.ceil(meanwhile[0] * self.PART), meanwhile[1])
        return super().send(load_plan, meanwhile=meanwhile)


@dataclass(frozen=True)
class ProofMesh:
    """A running mesh: the addresses of its API and its gateway."""

    api: str
    gateway: str

    def apply(self, resources: list[Resource]) -> None:
        """Makes these resources the whole configuration."""
        text = "\n---\n".join(json.dumps(dict(resource.body)) for resource in resources)
        answer = requests.post(f"{self.api}/mesh/apply", json={"text": text}, timeout=60)
        assert answer.ok, answer.text

    def prove(self, scenario: str, context: type[ProofContext] = ProofContext) -> Proven:
        """Proves a scenario against the current configuration."""
        with MeshApi(self.api, "sentimesh") as api:
            return Proven(
                run(proofs()[scenario], context(api, Target.from_url(api.gateway()), listener(scenario)))
            )


def edited(
    resources: list[Resource], kind: str, name: str, change: Callable[[dict[str, Any]], None]
) -> list[Resource]:
    """The same resources with one of them edited; `change` gets its body and modifies it."""
    out = []
    for resource in resources:
        if (resource.kind, resource.name) == (kind, name):
            body = copy.deepcopy(dict(resource.body))
            change(body)
            resource = replace(resource, body=body)  # noqa: PLW2901
        out.append(resource)
    return out


@contextlib.contextmanager
def translated_wrongly(change: Callable[[Any], None]) -> Iterator[None]:
    """Edits every proxy's configuration before it is sent: a mesh that disobeys its manifests."""
    right = mesh_module.translate

    def wrong(*args: Any) -> Any:
        # a copy, because the translation caches its results
        config = copy.deepcopy(right(*args))
        change(config)
        return config

    mesh_module.translate = wrong
    try:
        yield
    finally:
        mesh_module.translate = right
