"""What Istio asks of a DestinationRule (istio: ValidateDestinationRule)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label, is_wildcard_domain
from localmesh.manifests.rules.destination import SUBSET_WORDS
from localmesh.manifests.rules.exports import exports
from localmesh.manifests.rules.istio_labels import selector_labels
from localmesh.manifests.rules.metadata import entry_names
from localmesh.manifests.rules.traffic_policy import traffic_policy
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def host(root: Field) -> Iterator[Problem]:
    """The host that the rule is for."""
    spec = root.get("spec")
    name = spec.get("host")
    if not name:
        remedy = "add spec.host with the name of a Service"
        yield spec.problem(invalid.MISSING_FIELD, name="host", why="", remedy=remedy)
    elif name.text is not None and not is_wildcard_domain(name.text):
        yield name.problem(
            invalid.BAD_HOST,
            expected="the name of a Service, or *.example.com",
            remedy="correct the name; a port goes into trafficPolicy.portLevelSettings",
        )


def subsets(root: Field) -> Iterator[Problem]:
    """Subsets have different names."""
    entries = root.get("spec", "subsets")
    yield from entry_names(entries, what="the subset name")
    for subset in entries.items():
        name = subset.get("name")
        if name.text is not None and not is_label(name.text):
            yield name.problem(invalid.BAD_NAME, expected=SUBSET_WORDS)
        yield from selector_labels(subset.get("labels"))
        yield from traffic_policy(subset.get("trafficPolicy"))


def policy(root: Field) -> Iterator[Problem]:
    """The traffic policy of the whole host."""
    yield from traffic_policy(root.get("spec", "trafficPolicy"))


DESTINATION_RULE_RULES = (host, subsets, policy, exports)
