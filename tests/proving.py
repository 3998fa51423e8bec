"""Proofs run against a running mesh, and overlays changed for tests; one mesh serves a whole module."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests

from loadgen.http1 import Target
from loadgen.inforce import MeshApi
from loadgen.judge import Verdict
from loadgen.progress import listener
from loadgen.proofs import proofs
from loadgen.prove import Bench, Result, run
from localmesh.manifests import Resource
from tests.live import Live

Edit = Callable[[dict[str, Any]], None]


def apply(running: Live, resources: list[Resource]) -> None:
    """Makes the running mesh what these objects say."""
    text = "\n---\n".join(json.dumps(dict(resource.body)) for resource in resources)
    answer = requests.post(f"{running.api}/mesh/apply", json={"text": text}, timeout=60)

    assert answer.ok, answer.text


def edited(resources: list[Resource], kind: str, name: str, edit: Edit) -> list[Resource]:
    """The same objects with one of them changed."""
    out = []
    for resource in resources:
        if (resource.kind, resource.name) == (kind, name):
            body = copy.deepcopy(dict(resource.body))
            edit(body["spec"])
            out.append(replace(resource, body=body))
        else:
            out.append(resource)
    assert out != resources, f"no {kind} {name} was changed"
    return out


def prove(running: Live, scenario: str) -> Result:
    """The result of a scenario's proof."""
    with MeshApi(running.api, "sentimesh") as api:
        return run(proofs()[scenario], Bench(api, Target.from_url(running.gateway), listener(scenario)))


def verdicts(result: Result) -> dict[str, Verdict]:
    """Each check's verdict by its name."""
    return {check.name: check.verdict for check in result.checks}


def not_passed(result: Result) -> dict[str, str]:
    """The checks that did not pass, with the reason: empty is proven."""
    return {
        check.name: f"{check.verdict}: {check.reason}"
        for check in result.checks
        if check.verdict is not Verdict.PASS
    }
