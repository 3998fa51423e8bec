"""What proxies have logged of requests: the access logs of a workload, in Istio's text or JSON format.

Source: istio.io, "Envoy Access Logs"; Envoy, "Access logging" (RESPONSE_FLAGS, RESPONSE_CODE_DETAILS).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from loadgen.meshstate.pods import is_ready, name_of

if TYPE_CHECKING:
    from loadgen.meshstate.api import MeshApi

GATEWAY = "istio-ingressgateway"
"""The workload of the ingress gateway, whichever namespace it is in."""
NEWEST = 1000
"""How many lines of a log are read."""
_GATEWAY_LABEL = "istio=ingressgateway"
_TEXT = re.compile(r'\[[^]]+\] "(?P<request>[^"]*)" \d+ (?P<flags>\S+) (?P<details>\S+) ')
_OUTBOUND = "outbound|"
"""How the names of clusters begin to which a sidecar sends requests of its own pod."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request (`POST /sentiment`), and how it ended: flags are separated by commas, and `-` is none."""

    flags: str
    details: str
    outbound: bool = False
    request: str = ""

    def has(self, flag: str) -> bool:
        """Whether it has this flag."""
        return flag in self.flags.split(",")


def read_logs(api: MeshApi, workload: str) -> dict[str, list[str]]:
    """The newest lines of the logs of a workload's proxies, by pod; `workload` is its label `app`.

    Raises Refused where a pod has no proxy.
    """
    if workload == GATEWAY:
        pods = api.document(f"/api/v1/pods?labelSelector={quote(_GATEWAY_LABEL)}")["items"]
    else:
        pods = api.pods(app=workload)
    logs = {}
    for pod in filter(is_ready, pods):
        with api.in_namespace(str(pod["metadata"]["namespace"])) as there:
            logs[name_of(pod)] = there.proxy_log(name_of(pod), newest=NEWEST).splitlines()
    return logs


def new_entries(before: dict[str, list[str]], after: dict[str, list[str]], workload: str) -> list[Entry]:
    """The entries that were logged between two reads: a gateway's, or those of requests to a pod."""
    lines = (line for pod, now in after.items() for line in _new(before.get(pod, ()), now))
    entries = [entry for line in lines if (entry := parse(line)) is not None]
    return [entry for entry in entries if workload == GATEWAY or not entry.outbound]


def _new(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines behind the last one of before; no two lines are equal, as they have times and ports."""
    if not before or before[-1] not in now:
        return now
    return now[now.index(before[-1]) + 1 :]


def parse(line: str) -> Entry | None:
    """The entry in a line; None for other lines of a proxy's log."""
    if not line.startswith("{"):
        match = _TEXT.match(line)
        if match is None:
            return None
        request = match["request"].rpartition(" ")[0]
        return Entry(match["flags"], match["details"], f" {_OUTBOUND}" in line, request)
    try:
        fields = json.loads(line)
        details, cluster = str(fields["response_code_details"]), str(fields["upstream_cluster"])
        request = f"{fields.get('method')} {fields.get('path')}"
        return Entry(str(fields["response_flags"]), details, cluster.startswith(_OUTBOUND), request)
    except (ValueError, KeyError):
        return None
