"""Names and values of HTTP headers as Istio and Envoy accept them."""

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
    """Why Envoy rejects a header value, None if it accepts it.

    A percent sign starts one of Envoy's command operators, such as %REQ(x-user)%; %% is a literal one.
    """
    if len(text) > _LONGEST_VALUE:
        return f"it is longer than {_LONGEST_VALUE} characters"
    if not _VALUE.match(text):
        return "it contains control characters"
    if "%" in _COMMAND.sub("", text):
        return "it contains a single %, which starts a command operator such as %PROTOCOL%; write %% instead"
    return None
