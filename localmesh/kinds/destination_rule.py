"""DestinationRule: its record and what Istio requires of it (istio: ValidateDestinationRule)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind
from localmesh.kinds.rules.http_destination import SUBSET_WORDS
from localmesh.kinds.rules.istio import PRIVATE, exports, selector_labels, workload_labels
from localmesh.kinds.rules.metadata import entry_names
from localmesh.kinds.rules.traffic_policy import traffic_policy, unsupported_in_policies
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def host(root: Field) -> Iterator[Problem]:
    """The host is the name of a Service or a wildcard."""
    spec = root.get("spec")
    name = spec.get("host")
    if not name:
        remedy = "add spec.host with the name of a Service"
        yield spec.problem(invalid.MISSING_FIELD, name="host", why="", remedy=remedy)
    elif name.text is not None and not is_wildcard_domain(name.text):
        yield name.problem(
            invalid.BAD_HOST,
            expected="the name of a Service, or *.example.com",
            remedy="correct the name; a port goes in trafficPolicy.portLevelSettings",
        )


def subsets(root: Field) -> Iterator[Problem]:
    """Subsets have unique, valid names, labels and traffic policies."""
    entries = root.get("spec", "subsets")
    yield from entry_names(entries, what="the subset name")
    for subset in entries.items():
        name = subset.get("name")
        if name.text is not None and not is_label(name.text):
            yield name.problem(invalid.BAD_NAME, expected=SUBSET_WORDS)
        yield from selector_labels(subset.get("labels"))
        yield from traffic_policy(subset.get("trafficPolicy"))


def callers(root: Field) -> Iterator[Problem]:
    """The selector of callers has no wildcards; it selects among those of the rule's namespace."""
    spec = root.get("spec")
    yield from workload_labels(spec.get("workloadSelector", "matchLabels"))
    for entry in spec.get("exportTo").items() if spec.get("workloadSelector") else ():
        if entry.text not in (PRIVATE, root.place.namespace):
            yield entry.problem(
                invalid.BAD_EXPORT,
                expected='"." at most, as a workloadSelector selects callers of this namespace',
                remedy="remove exportTo",
            )


def policy(root: Field) -> Iterator[Problem]:
    """The traffic policy of the whole host."""
    yield from traffic_policy(root.get("spec", "trafficPolicy"))


_POLICIES = ("spec.trafficPolicy", "spec.subsets[].trafficPolicy")

DESTINATION_RULE = Kind(
    group=NETWORKING,
    name="DestinationRule",
    versions=NETWORKING_VERSIONS,
    plural="destinationrules",
    short_names=("dr",),
    rules=(host, callers, subsets, policy, exports),
    unsupported_fields={
        **unsupported_in_policies(*_POLICIES),
    },
)
