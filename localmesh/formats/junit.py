"""Reports in JUnit's XML, which continuous integration reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True)
class JunitFailure:
    """Why a test case failed: one line, its type, and the details."""

    message: str
    type: str
    details: str


@dataclass(frozen=True, slots=True)
class JunitCase:
    """A test case; `output` is what it printed, `file` and `line` where it is written."""

    name: str
    failure: JunitFailure | None = None
    output: str = ""
    file: str = ""
    line: int | None = None


def junit_report(suite: str, classname: str, cases: Iterable[JunitCase]) -> str:
    """The report of one suite."""
    cases = list(cases)
    failures = sum(case.failure is not None for case in cases)
    root = ElementTree.Element("testsuites")
    element = ElementTree.SubElement(
        root, "testsuite", name=suite, tests=str(len(cases)), failures=str(failures)
    )
    for case in cases:
        _add(element, case, classname)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add(suite: ElementTree.Element, case: JunitCase, classname: str) -> None:
    attributes = {"classname": classname, "name": case.name}
    if case.file:
        attributes["file"] = case.file
    if case.line is not None:
        attributes["line"] = str(case.line)
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.failure is not None:
        failure = ElementTree.SubElement(
            element, "failure", message=case.failure.message, type=case.failure.type
        )
        failure.text = case.failure.details
    if case.output:
        ElementTree.SubElement(element, "system-out").text = case.output
