"""A reason why a request ended as a proxy logged it, and when it applies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localmesh.diagnose.upstream import Side, Upstream
from localmesh.formats.access_log import LogEntry


@dataclass(frozen=True)
class Reason:
    """What an entry means. It applies where all its conditions hold; the first that applies counts.

    `flags`, `details`, `transport`, `cluster` are regular expressions: the first must match one whole flag,
    the others a part of the field. `status` lists answers. Texts have `{host}`, `{port}`, `{subset}`,
    `{service}`, `{namespace}`, `{cluster}`, `{upstream}`, `{authority}`, `{path}`, `{method}`, `{url}`,
    `{policy}` and `{token}`.
    """

    meaning: str
    causes: tuple[str, ...] = ()
    look: tuple[str, ...] = ()
    flags: str = ""
    details: str = ""
    transport: str = ""
    cluster: str = ""
    status: range = range(1000)
    side: Side | None = None

    def applies_to(self, entry: LogEntry, upstream: Upstream) -> bool:
        """Whether all conditions hold."""
        flags = entry.response_flags.split(",")
        return (
            (not self.flags or any(re.fullmatch(self.flags, flag) for flag in flags))
            and re.search(self.details, entry.response_code_details) is not None
            and re.search(self.transport, entry.upstream_transport_failure_reason) is not None
            and re.search(self.cluster, entry.upstream_cluster) is not None
            and entry.status in self.status
            and self.side in (None, upstream.side)
        )
