"""Verdicts as JUnit XML for continuous integration: a suite for each scenario, a case for each check."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from loadgen.meshstate import MeshLocation
from loadgen.proofs.common.proof import Result
from loadgen.statistics.judge import Check, Verdict

_ELEMENTS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


def junit(results: Sequence[Result], *, mesh: MeshLocation) -> str:
    """The XML. INCONCLUSIVE is an `error` whose `type` is the cause, since it must not look green.

    The mesh is a property of each suite, where the format has a place for it.
    """
    root = ElementTree.Element("testsuites", name="loadgen prove")
    for result in results:
        root.append(_suite(result, mesh))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(result: Result, mesh: MeshLocation) -> ElementTree.Element:
    verdicts = [check.verdict for check in result.checks]
    suite = ElementTree.Element(
        "testsuite",
        name=result.scenario,
        tests=str(len(verdicts)),
        failures=str(verdicts.count(Verdict.FAIL)),
        errors=str(verdicts.count(Verdict.INCONCLUSIVE)),
        time=f"{result.seconds:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="mesh", value=str(mesh))
    for check in result.checks:
        suite.append(_case(result.scenario, check))
    return suite


def _case(scenario: str, check: Check) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"loadgen.{scenario}", name=check.name)
    if check.verdict in _ELEMENTS:
        problem = ElementTree.SubElement(
            case, _ELEMENTS[check.verdict], type=str(check.cause or check.verdict)
        )
        problem.set("message", f"expected {check.expected}: {check.reason}")
    return case
