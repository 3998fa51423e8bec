"""The flags by which Envoy says why it answered itself, or why a request ended as it did.

Source: Envoy, "Access logging", RESPONSE_FLAGS and RESPONSE_FLAGS_LONG.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class ResponseFlag(NamedTuple):
    """The long name of a flag, and what it says in a few words."""

    name: str
    meaning: str


RESPONSE_FLAGS = MappingProxyType(
    {
        "NR": ResponseFlag("NoRouteFound", "no route"),
        "NC": ResponseFlag("NoClusterFound", "no cluster"),
        "UH": ResponseFlag("NoHealthyUpstream", "no healthy upstream"),
        "UF": ResponseFlag("UpstreamConnectionFailure", "the connection to the upstream failed"),
        "UC": ResponseFlag("UpstreamConnectionTermination", "the upstream closed the connection"),
        "UO": ResponseFlag("UpstreamOverflow", "a circuit breaker is open"),
        "UT": ResponseFlag("UpstreamRequestTimeout", "the request timed out"),
        "UR": ResponseFlag("UpstreamRemoteReset", "the upstream reset the stream"),
        "URX": ResponseFlag("UpstreamRetryLimitExceeded", "all retries failed"),
        "UPE": ResponseFlag("UpstreamProtocolError", "the upstream broke the protocol"),
        "UMSDR": ResponseFlag("UpstreamMaxStreamDurationReached", "the stream took longer than it may"),
        "DC": ResponseFlag("DownstreamConnectionTermination", "the client closed the connection"),
        "DR": ResponseFlag("DownstreamRemoteReset", "the client reset the stream"),
        "DPE": ResponseFlag("DownstreamProtocolError", "the client broke the protocol"),
        "LR": ResponseFlag("LocalReset", "the proxy reset the stream"),
        "LH": ResponseFlag("FailedLocalHealthCheck", "the health check of the proxy failed"),
        "DI": ResponseFlag("DelayInjected", "delay injected"),
        "FI": ResponseFlag("FaultInjected", "fault injected"),
        "RL": ResponseFlag("RateLimited", "rate limited"),
        "RLSE": ResponseFlag("RateLimitServiceError", "the rate limit service failed"),
        "UAEX": ResponseFlag("UnauthorizedExternalService", "the authorizer refused the request"),
        "SI": ResponseFlag("StreamIdleTimeout", "the stream was idle for too long"),
        "DT": ResponseFlag("DurationTimeout", "the request or connection took longer than it may"),
        "IH": ResponseFlag("InvalidEnvoyRequestHeaders", "a header for Envoy has an invalid value"),
        "DF": ResponseFlag("DnsResolutionFailed", "the name was not resolved"),
        "DO": ResponseFlag("DropOverload", "dropped, as the endpoints are overloaded"),
        "OM": ResponseFlag("OverloadManagerTerminated", "the proxy itself is overloaded"),
        "NFCF": ResponseFlag("NoFilterConfigFound", "the configuration of a filter is missing"),
        "RFCF": ResponseFlag("ResponseFromCacheFilter", "answered from a cache"),
    }
)
"""Each flag of an access log by its short name, in the order in which users meet them."""


def flags_meaning(flags: str) -> str:
    """What a list of flags says; the reason of the last attempt counts, not that all retries failed.

    >>> flags_meaning("URX,UF")
    'the connection to the upstream failed'
    """
    known = [flag for flag in flags.split(",") if flag in RESPONSE_FLAGS]
    reasons = [flag for flag in known if flag != "URX"] or known
    return RESPONSE_FLAGS[reasons[0]].meaning if reasons else ""
