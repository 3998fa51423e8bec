"""Runs cases: explains each request and compares what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from localmesh.explain import Explainer, Explanation, InvalidUrlError, Reference
from localmesh.explain.cause import Cause
from localmesh.explain.causes import causes
from localmesh.manifests import LoadResult, Locator
from localmesh.route_tests.case_schema import CaseFileError
from localmesh.route_tests.cases import ANY_SOURCE, Case
from localmesh.route_tests.checks import Difference, differences
from localmesh.route_tests.coverage import Coverage, CoverageCollector
from localmesh.route_tests.entrances import with_entrances, with_source
from localmesh.route_tests.observation import Observation
from localmesh.route_tests.written import written_differences
from localmesh.translate.from_manifests import UnknownWorkloadError

RUNNING_MESH = "the running mesh"
"""The file of objects that are not from files."""
_FAULT = "FI"
_WITH_CAUSES = 20
"""Failures whose causes are looked for, which means an analysis of all manifests for each."""


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What real Envoys did with the requests of a case: where this is not what is explained.

    `not_sent` is the reason if no request was sent.
    """

    requests: int
    disagreements: tuple[str, ...] = ()
    not_sent: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case, what is not as expected, and the rule that decides about its request."""

    case: Case
    differences: tuple[Difference, ...]
    explanation: Explanation
    rule: Reference | None = None
    live: LiveResult | None = None
    causes: tuple[Cause, ...] = ()
    """Why proxies answer instead of an application; only for the first failures."""

    @property
    def passed(self) -> bool:
        """Whether everything is as expected, and real Envoys agree if they were asked."""
        return not self.differences and not (self.live and self.live.disagreements)


@dataclass(frozen=True)
class Run:
    """The results of all cases about the same manifests, and their coverage."""

    files: tuple[str, ...]
    options: tuple[str, ...]
    """Those of `localmesh explain` for the same manifests."""
    loaded: LoadResult
    results: tuple[CaseResult, ...]
    coverage: Coverage = field(default_factory=Coverage)

    @cached_property
    def locator(self) -> Locator:
        """Finds the lines of the rules."""
        return Locator(self.loaded)

    @property
    def names_no_source(self) -> bool:
        """Whether requests enter where their hosts are routed, so that callers and Gateways are added."""
        return any(result.case.request.source == ANY_SOURCE for result in self.results)


def run_cases(cases: Sequence[Case], loaded: LoadResult, options: Sequence[str] = ()) -> Run:
    """Runs cases about the same manifests, which `options` name.

    Raises CaseFileError for requests that nothing here can send.
    """
    names_no_source = any(case.request.source == ANY_SOURCE for case in cases)
    explainer = Explainer.of(with_entrances(loaded.resources) if names_no_source else loaded.resources)
    collector = CoverageCollector()
    results: list[CaseResult] = []
    unknown: list[str] = []
    failures = 0
    for case in cases:
        try:
            explanation = explainer.explain(with_source(case.request, explainer.catalog))
        except (UnknownWorkloadError, InvalidUrlError) as error:
            unknown.append(f"{case.position}: {error}")
            continue
        collector.add(explanation)
        result = _result(case, explanation, explainer)
        failures += not result.passed
        if not result.passed and failures <= _WITH_CAUSES and _is_answered(explanation):
            result = replace(result, causes=tuple(causes(explainer, explanation)))
        results.append(result)
    if unknown:
        raise CaseFileError(dict.fromkeys(unknown))
    files = tuple(dict.fromkeys(case.file for case in cases))
    return Run(files, tuple(options), loaded, tuple(results), collector.coverage(loaded.resources))


def _is_answered(explanation: Explanation) -> bool:
    """Whether a proxy may answer by itself, apart from injected faults, or the request leaves the mesh."""
    return any(
        outcome.answer.flag != _FAULT if outcome.answer is not None else not outcome.workload
        for outcome in explanation.outcomes
    )


def _result(case: Case, explanation: Explanation, explainer: Explainer) -> CaseResult:
    observation = Observation(explanation, explainer.catalog)
    rule = observation.rule
    found = differences(case.expect, observation)
    if case.written:
        found += written_differences(case.written, observation, explainer.catalog, negated=case.negated)
    return CaseResult(case, tuple(found), explanation, rule.reference if rule is not None else None)
