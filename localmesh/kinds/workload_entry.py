"""WorkloadEntry and WorkloadGroup: their records and what Istio requires (istio: ValidateWorkloadEntry)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind, Status
from localmesh.kinds.rules.istio import selector_labels
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field

_UNIX = "unix://"


def address(root: Field) -> Iterator[Problem]:
    """An entry has an address, or is in a network whose gateway stands for it."""
    spec = root.get("spec")
    written = spec.get("address")
    if not written.text:
        if not spec.get("network").text:
            yield spec.problem(invalid.MISSING_FIELD, name="address", why="", remedy="add an IP address")
    elif written.text.startswith(_UNIX):
        if len(spec.get("ports")):
            both = "ports and the address of a socket"
            yield spec.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)
    elif not is_address(written.text) and not is_domain(written.text):
        expected = "an IP address or a DNS name"
        yield written.problem(invalid.BAD_ENTRY, expected=expected, remedy="correct the address")


def ports_and_labels(root: Field) -> Iterator[Problem]:
    """Ports and labels are valid."""
    spec = root.get("spec")
    for _, number in spec.get("ports").entries():
        yield from port_number(number)
    yield from selector_labels(spec.get("labels"))


def reachable(root: Field) -> Iterator[Problem]:
    """localmesh reaches entries at IP addresses."""
    written = root.get("spec", "address")
    if written.text and not is_address(written.text):
        yield written.problem(unsupported.FIELD_NOT_SUPPORTED, remedy="write an IP address")


WORKLOAD_ENTRY = Kind(
    group=NETWORKING,
    name="WorkloadEntry",
    versions=NETWORKING_VERSIONS,
    plural="workloadentries",
    short_names=("we",),
    rules=(address, ports_and_labels),
    support_rules=(reachable,),
    ineffective_fields={"spec.network": "all workloads are in the same network"},
)
WORKLOAD_GROUP = Kind(
    group=NETWORKING,
    name="WorkloadGroup",
    versions=NETWORKING_VERSIONS,
    plural="workloadgroups",
    short_names=("wg",),
    status=Status.IGNORED,
    reason="no machines outside join the mesh: a WorkloadEntry names one that is there",
)
