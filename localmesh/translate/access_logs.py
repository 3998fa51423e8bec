"""Access logs of requests and connections, in Istio's formats.

istiod: pilot/pkg/model/telemetry_logging.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
JSON_FORMAT: Mapping[str, str] = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}

_FILE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


def text_log(text: str = "") -> Json:
    """A log in lines of text; "" is Istio's format."""
    text = text or TEXT_FORMAT
    ended = text if text.endswith("\n") else f"{text}\n"
    return _file({"textFormatSource": {"inlineString": ended}})


def json_log(labels: Mapping[str, Any] | None = None) -> Json:
    """A log of one JSON object in each line; without labels in Istio's format."""
    return _file({"jsonFormat": dict(labels or JSON_FORMAT)})


def filtered(log: Json, expression: str) -> Json:
    """The same log, for requests for which a CEL expression holds; "" is all."""
    if not expression:
        return log
    typed = {"@type": _CEL, "expression": expression}
    cel = {"name": "envoy.access_loggers.extension_filters.cel", "typedConfig": typed}
    return {**log, "filter": {"extensionFilter": cel}}


def json_labels(text: str) -> Mapping[str, Any] | None:
    """The labels that `accessLogFormat` has for JSON; None, which means Istio's, where it is no object."""
    try:
        labels = json.loads(text)
    except ValueError:
        return None
    return labels if isinstance(labels, dict) else None


def _file(log_format: Json) -> Json:
    # whatever the path: a proxy has one log here, which `localmesh logs --proxy` prints
    typed = {"@type": _FILE, "path": "/dev/stdout", "logFormat": log_format}
    return {"name": "envoy.access_loggers.file", "typedConfig": typed}
