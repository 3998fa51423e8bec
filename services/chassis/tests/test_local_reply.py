"""Envoy's local replies, as the sidecars of localmesh gave them, and what is known about each."""

from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

from services.chassis.local_reply import LocalReply, local_reply

ENVOY = {"server": "envoy"}
FROM_LOGIC = {**ENVOY, "x-envoy-upstream-service-time": "0"}
OVERFLOW = "upstream connect error or disconnect/reset before headers. reset reason: overflow"
BROKEN = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
NOT_SENT = "logic did not receive the request."
NOT_THIS_ATTEMPT = "No pod of logic received this attempt."
UNKNOWN = "logic may have received the request."


def reply(status: int, text: str, headers: dict[str, str]) -> LocalReply | None:
    return local_reply(
        status, text, CaseInsensitiveDict(headers), caller="webapp", upstream="logic", seconds=0.7512
    )


@pytest.mark.parametrize(
    ("status", "text", "headers", "proxy", "meaning", "received"),
    [
        (403, "RBAC: access denied", FROM_LOGIC, "logic", "an AuthorizationPolicy denies it", NOT_SENT),
        (401, "Jwt is missing", FROM_LOGIC, "logic", "a RequestAuthentication rejects its token", NOT_SENT),
        (403, "RBAC: access denied", ENVOY, "logic", "an AuthorizationPolicy denies it", NOT_SENT),
        (418, "fault filter abort", ENVOY, "webapp", "a VirtualService injects this fault", NOT_SENT),
        (503, "no healthy upstream", ENVOY, "webapp", "no healthy pod to send to", NOT_THIS_ATTEMPT),
        (
            503,
            OVERFLOW,
            {**ENVOY, "X-Envoy-Overloaded": "true"},
            "webapp",
            "circuit breaker",
            NOT_THIS_ATTEMPT,
        ),
        (503, BROKEN, ENVOY, "webapp", "the connection to the next hop failed or broke", UNKNOWN),
        (504, "upstream request timeout", ENVOY, "webapp", "timeout of the route (751 ms passed)", UNKNOWN),
        (503, "", ENVOY, "webapp", "such as a subset, does not exist", NOT_SENT),
        (404, "", ENVOY, "webapp", "no route takes the request", NOT_SENT),
        (502, "", ENVOY, "webapp", "this host is not in the registry", NOT_SENT),
        (429, "local_rate_limited", FROM_LOGIC, "logic", "not logic itself", UNKNOWN),
        (500, "", {"server": "istio-envoy"}, "webapp", "not logic itself", UNKNOWN),
    ],
)
def test_a_local_reply_is_explained(
    status: int, text: str, headers: dict[str, str], proxy: str, meaning: str, received: str
):
    """Which sidecar replied, its message, the reason, and whether the request may have reached logic."""
    explained = reply(status, text, headers)

    assert explained is not None
    assert explained.proxy == proxy
    assert explained.detail.startswith(
        f"The sidecar proxy of {proxy} answered {status} {f'({text})' if text else 'without a body'}"
    )
    assert meaning in explained.detail
    assert explained.detail.endswith(received)


def test_an_answer_of_another_server_is_not_a_local_reply():
    """Only Envoy's are known."""
    assert reply(503, "no healthy upstream", {"server": "nginx"}) is None


def test_a_long_body_is_cut():
    """A page of HTML does not fill the problem."""
    explained = reply(400, "x" * 5000, ENVOY)

    assert explained is not None
    assert len(explained.detail) < 300
