"""Lines of an access log, in the formats that Istio and Envoy write by default.

Sources: Istio, "Envoy Access Logs", "Default access log format"; Envoy, "Access logging".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any

_START = r"\[(?P<start_time>\d{4}-\d\d-\d\dT[^\]]+)\] "
_REQUEST = (
    r'"(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]+)" (?P<response_code>\d+|-) (?P<response_flags>\S+) '
)
_SIZES = r"(?P<bytes_received>\S+) (?P<bytes_sent>\S+) (?P<duration>\S+) (?P<upstream_service_time>\S+) "
_HEADERS = (
    r'"(?P<x_forwarded_for>[^"]*)" "(?P<user_agent>[^"]*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" '
)
_UPSTREAM = (
    r'"(?P<upstream_host>[^"]*)" (?P<upstream_cluster>\S+) (?P<upstream_local_address>\S+) '
    r"(?P<downstream_local_address>\S+) (?P<downstream_remote_address>\S+) "
    r"(?P<requested_server_name>\S+)(?: (?P<route_name>\S+))?"
)
_DETAILS = r"(?P<response_code_details>\S+) (?P<connection_termination_details>\S+) "
_TRANSPORT = r'"(?P<upstream_transport_failure_reason>[^"]*)" '
_TEXT_FORMATS = (
    re.compile(_START + _REQUEST + _DETAILS + _TRANSPORT + _SIZES + _HEADERS + _UPSTREAM),
    re.compile(_START + _REQUEST + r'"[^"]*" ' + _TRANSPORT + _SIZES + _HEADERS + _UPSTREAM),
    re.compile(_START + _REQUEST + _SIZES + _HEADERS + r'"(?P<upstream_host>[^"]*)"'),
)
"""Istio since 1.9, Istio before, and Envoy."""


@dataclass(frozen=True)
class LogEntry:
    """One request, or one connection, as a proxy logged it; "" for what is absent or not logged.

    The fields have the names of Istio's JSON format.
    """

    start_time: str = ""
    method: str = ""
    path: str = ""
    protocol: str = ""
    response_code: str = ""
    response_flags: str = ""
    response_code_details: str = ""
    connection_termination_details: str = ""
    upstream_transport_failure_reason: str = ""
    bytes_received: str = ""
    bytes_sent: str = ""
    duration: str = ""
    upstream_service_time: str = ""
    x_forwarded_for: str = ""
    user_agent: str = ""
    request_id: str = ""
    authority: str = ""
    upstream_host: str = ""
    upstream_cluster: str = ""
    upstream_local_address: str = ""
    downstream_local_address: str = ""
    downstream_remote_address: str = ""
    requested_server_name: str = ""
    route_name: str = ""

    @property
    def status(self) -> int:
        """The status of the answer; 0 if there was none, as for a TCP connection."""
        return int(self.response_code) if self.response_code.isdecimal() else 0


_FIELDS = frozenset(field.name for field in fields(LogEntry))


def parse(line: str) -> LogEntry | None:
    """The entry in a line of an access log, with anything before it; None if there is none.

    >>> entry = parse('[2026-11-30T12:00:00.000Z] "GET / HTTP/1.1" 503 UH 0 19 1 - "-" "-" "-" "web" "-"')
    >>> entry.status, entry.response_flags, entry.authority, entry.upstream_host
    (503, 'UH', 'web', '')
    """
    if (brace := line.find("{")) >= 0 and (entry := _from_json(line[brace:])):
        return entry
    match = next(filter(None, (pattern.search(line) for pattern in _TEXT_FORMATS)), None)
    return _entry(match.groupdict()) if match else None


def _from_json(text: str) -> LogEntry | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    known = isinstance(found, dict) and {"response_code", "response_flags"} <= found.keys()
    return _entry(found) if known else None


def _entry(values: dict[str, Any]) -> LogEntry:
    return LogEntry(
        **{name: str(value) for name, value in values.items() if name in _FIELDS and value not in (None, "-")}
    )
