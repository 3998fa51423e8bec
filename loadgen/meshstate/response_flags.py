"""The answers that a workload's proxies have counted, by status and response flags.

Source: istio.io, "Istio Standard Metrics": `istio_requests_total`, and its labels `response_code`,
`response_flags` and `reporter`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from loadgen.meshstate.pods import is_ready, name_of
from loadgen.meshstate.resources import Object

if TYPE_CHECKING:
    from loadgen.meshstate.api import MeshApi

GATEWAY = "istio-ingressgateway"
"""The workload of the ingress gateway, whichever namespace it is in."""
PORT, PATH = 15020, "stats/prometheus"
METRIC = "istio_requests_total"
_GATEWAY_LABEL = "istio=ingressgateway"


class Answer(NamedTuple):
    """What a request ended with: the status, 0 without one, and the flags, `-` without any."""

    code: str
    flags: str

    def has(self, flag: str) -> bool:
        """Whether the flag is one of the flags; they are separated by commas."""
        return flag in self.flags.split(",")


def counted_answers(api: MeshApi, workload: str) -> Counter[Answer]:
    """How often the proxies of a workload have ended a request so; `workload` is its label `app`.

    A gateway counts the requests that it sends, a sidecar those that its pod receives. Raises Refused where
    a pod has no proxy.
    """
    if workload == GATEWAY:
        pods, reporter = (
            api.document(f"/api/v1/pods?labelSelector={quote(_GATEWAY_LABEL)}")["items"],
            "source",
        )
    else:
        pods, reporter = api.pods(app=workload), "destination"
    counts: Counter[Answer] = Counter()
    for pod in filter(is_ready, pods):
        counts.update(answers_in(_statistics(api, pod), reporter))
    return counts


def answers_in(lines: Iterable[str], reporter: str) -> Counter[Answer]:
    """The answers in a proxy's metrics, as text for Prometheus, that it counted as this reporter."""
    from prometheus_client.parser import text_string_to_metric_families

    # A proxy has thousands of other lines, and the parser is slow.
    text = "".join(f"{line}\n" for line in lines if line.startswith(f"{METRIC}{{"))
    counts: Counter[Answer] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels["reporter"] == reporter:
                answer = Answer(sample.labels["response_code"], sample.labels["response_flags"])
                counts[answer] += int(sample.value)
    return counts


def _statistics(api: MeshApi, pod: Object) -> list[str]:
    with api.in_namespace(str(pod["metadata"]["namespace"])) as there:
        return there.pod_text(name_of(pod), PORT, PATH).splitlines()
