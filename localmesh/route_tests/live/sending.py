"""Sends a request as a client of a gateway, or as an application through its sidecar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from localmesh.catalog import Address
from localmesh.explain import Request

_TIMEOUT_SECONDS = 60
_OF_STUB = {"pod", "port", "method", "path", "headers"}
"""Fields of the answer of a stub."""


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """An answer; without a status the connection ended. `pod` is what served it, "" for a proxy.

    `arrived` is the request as a stub got it: its path and headers.
    """

    status: int | None
    headers: Mapping[str, str]
    pod: str = ""
    arrived: Mapping[str, Any] | None = None


def send(request: Request, to: Address, *, through_sidecar: bool) -> LiveAnswer:
    """The answer to a request that is sent to the listener of a gateway or sidecar."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    authority = headers.pop("host", request.authority)
    target = f"http://{request.authority}{request.path}" if through_sidecar else request.path
    connection = HTTPConnection(to.host, to.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"host": authority, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException):
        return LiveAnswer(None, {})
    finally:
        connection.close()
    return answer_of(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> LiveAnswer:
    """The answer, with the pod that `served-by` names first: webapp/v1/webapp-v1-9mp56;attempt=1, …"""
    hop = headers.get("served-by", "").partition(",")[0].partition(";")[0]
    pod = hop.rpartition("/")[2]
    try:
        arrived = json.loads(body) if pod else None
    except ValueError:
        arrived = None
    is_stub = (
        isinstance(arrived, dict) and arrived.keys() >= _OF_STUB and isinstance(arrived["headers"], dict)
    )
    return LiveAnswer(status, headers, pod, arrived if is_stub else None)
