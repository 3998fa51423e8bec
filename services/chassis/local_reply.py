"""Envoy's local replies: which proxy answered instead of the upstream, and why.

Every answer of a service carries `served-by`; an answer without it that names Envoy as its server comes from
a proxy on the way. `x-envoy-upstream-service-time` tells which one: the caller's own proxy adds it to what it
receives from further on, so an answer without it was made by the caller's own proxy. Policies are an
exception: the called proxy may refuse a request whose body is still on the way, and Envoy measures no time
for that. Only called proxies check policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_NOT_SENT = "{upstream} did not receive the request."
# An earlier attempt may have reached a pod: Envoy answers for the last one.
_NOT_THIS_ATTEMPT = "No pod of {upstream} received this attempt."
_UNKNOWN = "{upstream} may have received the request."


@dataclass(frozen=True, slots=True)
class LocalReply:
    """An answer of a proxy: whose sidecar made it, and one or two sentences about it."""

    proxy: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Reply:
    """What an answer looks like, and how to read it; the first row that matches counts."""

    matches: Callable[[int, str, Mapping[str, str]], bool]
    meaning: str
    received: str
    of_the_called: bool = False
    """Only the called proxy gives this answer."""


def _text(start: str) -> Callable[[int, str, Mapping[str, str]], bool]:
    return lambda _status, text, _headers: text.startswith(start)


def _no_body(status: int) -> Callable[[int, str, Mapping[str, str]], bool]:
    return lambda answered, text, _headers: answered == status and not text


_REPLIES = (
    _Reply(_text("RBAC: access denied"), "an AuthorizationPolicy denies it", _NOT_SENT, of_the_called=True),
    _Reply(_text("Jwt "), "a RequestAuthentication rejects its token", _NOT_SENT, of_the_called=True),
    _Reply(_text("fault filter abort"), "a VirtualService injects this fault", _NOT_SENT),
    _Reply(
        lambda _status, _text, headers: headers.get("x-envoy-overloaded") == "true",
        "a circuit breaker (connectionPool) is open",
        _NOT_THIS_ATTEMPT,
    ),
    _Reply(_text("no healthy upstream"), "its route has no healthy pod to send to", _NOT_THIS_ATTEMPT),
    _Reply(
        _text("upstream request timeout"),
        "no complete answer came within the timeout of the route ({milliseconds:.0f} ms passed)",
        _UNKNOWN,
    ),
    _Reply(_text("upstream connect error"), "the connection to the next hop failed or broke", _UNKNOWN),
    _Reply(
        _no_body(503),
        "Envoy does so when the destination of a route, such as a subset, does not exist",
        _NOT_SENT,
    ),
    _Reply(_no_body(404), "no route takes the request", _NOT_SENT),
    _Reply(_no_body(502), "this host is not in the registry, and the mesh allows no others", _NOT_SENT),
)


def local_reply(
    status: int, text: str, headers: Mapping[str, str], *, caller: str, upstream: str, seconds: float
) -> LocalReply | None:
    """The local reply that `caller` got from a proxy instead of an answer of `upstream`.

    None if the answer does not name Envoy as its server. `headers` ignore the case of names.
    """
    if "envoy" not in headers.get("server", ""):
        return None
    text = " ".join(text.split())
    words = f" ({text[:120]})" if text else " without a body"
    found = next((reply for reply in _REPLIES if reply.matches(status, text, headers)), None)
    called = "x-envoy-upstream-service-time" in headers or (found is not None and found.of_the_called)
    proxy = upstream if called else caller
    start = f"The sidecar proxy of {proxy} answered {status}{words}"
    if found is None:
        return LocalReply(proxy, f"{start}, not {upstream} itself. {_UNKNOWN.format(upstream=upstream)}")
    meaning = found.meaning.format(milliseconds=seconds * 1000)
    return LocalReply(proxy, f"{start}: {meaning}. {found.received.format(upstream=upstream)}")
