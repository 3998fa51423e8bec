"""Calls from proxy to proxy, and the answers of the caller if it is not let in."""

from __future__ import annotations

from typing import NamedTuple

from localmesh.explain.explanation import Answer
from localmesh.explain.outbound import Leg
from localmesh.explain.route_actions import is_retried
from localmesh.explain.upstreams import CalledPods


class Call(NamedTuple):
    """A call of the pods of a workload, with its share of the requests.

    `caller` is the proxy that answers if the call fails, "" where none does: the connection ends then.
    `as_bytes`: a gateway forwards the connection, and does not read what is in it.
    """

    caller: str
    leg: Leg
    called: CalledPods
    percent: float
    as_bytes: bool = False


def refusal(call: Call, reason: str, flag: str) -> Answer:
    """The answer of the caller where the called side closes the connection."""
    # a caller without a proxy has nothing that would answer: it sees the connection end
    if not call.caller:
        return Answer(None, "", reason)
    flags = f"URX,{flag}" if is_retried(call.leg.retries, flag) else flag
    return Answer(502 if flag == "UPE" else 503, flags, reason, call.caller)


def without_cluster(leg: Leg) -> Leg:
    """The leg of an answer before Envoy changes the request; without a body the response has no type."""
    changes = (*leg.refusal_changes, *leg.cors_changes)
    return leg._replace(
        response_changes=tuple(change for change in changes if change.name.lower() != "content-type")
    )
