"""What a failing case is shown with: the differences, the rule that decides, and why others did not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from localmesh.explain import OUTSIDE, Condition, Explanation, Reference, Request
from localmesh.explain.cause import Cause
from localmesh.manifests import Locator
from localmesh.route_tests.cases import ANY_SOURCE
from localmesh.route_tests.run import RUNNING_MESH, CaseResult, Run

_MOST_CAUSES = 3


def details(result: CaseResult, run: Run) -> Iterator[str]:
    """The lines below a case that failed."""
    for difference in result.differences:
        yield f"{difference.field}: expected {difference.expected}"
        yield f"{' ' * len(difference.field)}  observed {difference.observed}"
    for disagreement in result.live.disagreements if result.live else ():
        yield f"live: {disagreement}"
    if result.rule is not None:
        yield f"rule: {rule_text(result.rule)}"
        yield f"      {position(result.rule, run.locator)}"
    for label, text in _skipped(result.explanation):
        yield f"{label} {text}"
    for cause in result.causes[:_MOST_CAUSES]:
        label = "warning" if cause.is_warning else "because"
        yield f"{label}: {cause.message}"
        if place := _place(cause, run.locator):
            yield f"         {place}"
    if result.case.request.source != ANY_SOURCE:
        yield f"why:  {_command(result.case.request, run)}"
    yield f"case: {result.case.position}"


def _skipped(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """The rules before the chosen one, and what of each did not match."""
    label = "not: "
    for hop in explanation.hops:
        for skipped in hop.routing.skipped if hop.routing is not None else ():
            name = f' "{skipped.rule.name}"' if skipped.rule.name else ""
            path = skipped.rule.reference.path if skipped.rule.reference is not None else "a route"
            yield label, f"{path}{name}: {_condition(skipped.failed)}"
            label = "     "


def _condition(failed: Condition) -> str:
    seen = f'is "{failed.seen}"' if failed.seen is not None else "is absent"
    return f"{failed.field} {seen}, expected {failed.expected}"


def _place(cause: Cause, locator: Locator) -> str:
    if cause.reference is not None:
        return position(cause.reference, locator)
    return cause.problem.place.position if cause.problem is not None else ""


def _command(request: Request, run: Run) -> str:
    """The command that explains the request."""
    words = ["localmesh", "explain", request.method, f"{request.scheme}://{request.authority}{request.path}"]
    if request.source != OUTSIDE:
        words += ["--from", request.source]
    for name, value in request.headers.items():
        words += ["-H", f"{name}: {value}"]
    if request.claims is not None:
        words += ["--jwt", json.dumps(request.claims)]
    return shlex.join([*words, *run.options])


def rule_text(reference: Reference) -> str:
    """The object and the field of a rule."""
    return f"{reference.subject}, {reference.path}" if reference.path else reference.subject


def position(reference: Reference, locator: Locator) -> str:
    """The file and line where something is written."""
    place = locator.place(reference.resource, reference.path)
    return place.file if place.file == RUNNING_MESH else place.position
