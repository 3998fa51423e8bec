"""Who called: the identity that the sidecar has read off the caller's certificate."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEADER = "HTTP_X_FORWARDED_CLIENT_CERT"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_URI = "uri="


def caller(environ: Mapping[str, object]) -> str | None:
    """The SPIFFE URI of whoever called with mTLS; None in plain text, or without a sidecar.

    Envoy's `x-forwarded-client-cert` has one element for each proxy on the way, and the last one is that of
    the connection itself. A sidecar takes the header off what comes in plain text, so behind one nobody
    can claim to be somebody else.
    """
    header = environ.get(_HEADER)
    if not isinstance(header, str):
        return None
    # A certificate's subject is quoted and may hold anything, commas included.
    *_, last = _QUOTED.sub("", header).split(",")
    pairs = (pair.strip() for pair in last.split(";"))
    return next((pair[len(_URI) :] for pair in pairs if pair.lower().startswith(_URI)), None) or None
