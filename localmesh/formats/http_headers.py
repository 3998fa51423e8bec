"""Names and values of HTTP headers as Istio and Envoy take them."""

from __future__ import annotations

import re

PSEUDO_HEADERS = frozenset({":authority", ":method", ":path", ":scheme", ":status"})
"""Request parts that HTTP/2 carries as headers (RFC 9113, section 8.3)."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~A-Za-z0-9-]+\Z")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_COMMAND = re.compile(r"%%|%[A-Z0-9_]+(?:\(.*?\))?(?::[0-9]+)?%", re.DOTALL)
_LONGEST_VALUE = 16384


def is_header_name(text: str) -> bool:
    """Whether the text is a header name (RFC 9110, section 5.6.2)."""
    return _NAME.match(text) is not None


def value_fault(text: str) -> str | None:
    """Why Envoy refuses a header value, None if it does not.

    A percent sign begins one of Envoy's commands, such as %REQ(x-user)%; alone it is written %%.
    """
    if len(text) > _LONGEST_VALUE:
        return f"it has more than {_LONGEST_VALUE} characters"
    if not _VALUE.match(text):
        return "it has control characters"
    if "%" in _COMMAND.sub("", text):
        return "it has a single %, which begins a command such as %PROTOCOL%; %% stands for the sign itself"
    return None
