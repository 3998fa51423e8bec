"""A request that the live page sends through a gateway, and the answer with its hops."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jsonschema_rs
from multidict import CIMultiDict

from localmesh.errors import InvalidRequestError
from localmesh.formats.http_headers import is_header_name
from localmesh.problems.fields import listed

Json = dict[str, Any]

_LONGEST_BODY = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_SET_BY_CLIENT = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
_VALIDATOR = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "gateway": {"type": "string"},
            "port": {"type": "string"},
            "method": {"enum": list(_METHODS)},
            "path": {"type": "string", "pattern": "^/"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": "string"},
        },
        "required": ["method", "path"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """A request to a gateway of the mesh: `url` is that of the gateway, with the path."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    @classmethod
    def parse(cls, document: Any, gateways: Mapping[str, Mapping[str, str]]) -> GatewayRequest:
        """The request in a JSON document; by default at the first gateway. Raises InvalidRequestError."""
        problems = [f"{error.instance_path}: {error.message}" for error in _VALIDATOR.iter_errors(document)]
        if problems:
            raise InvalidRequestError("; ".join(problems))
        name = document.get("gateway") or next(iter(gateways), "")
        if name not in gateways:
            known = listed(gateways) if gateways else "none"
            raise InvalidRequestError(f'no gateway is called "{name}"; there are: {known}')
        port = document.get("port") or "http"
        base = gateways[name].get(port)
        if base is None or not base.startswith("http://"):
            raise InvalidRequestError(f'gateway {name} has no HTTP port called "{port}"')
        headers = document.get("headers") or {}
        for header, value in headers.items():
            if not is_header_name(header) or any(ord(character) < 32 for character in value):
                raise InvalidRequestError(f'"{header}: {value}" is not a header')
            if header.lower() in _SET_BY_CLIENT:
                raise InvalidRequestError(f"the header {header} is set by the mesh: leave it out")
        return cls(document["method"], base + document["path"], headers, document.get("body") or "")


async def send(client: aiohttp.ClientSession, request: GatewayRequest) -> Json:
    """Sends a request and returns the answer: status, headers, the beginning of the body, hops, duration."""
    headers = CIMultiDict(request.headers)
    headers.setdefault("x-request-id", str(uuid.uuid4()))
    start = time.perf_counter()
    try:
        async with client.request(
            request.method,
            request.url,
            headers=headers,
            data=request.body.encode() if request.body else None,
            allow_redirects=False,
            timeout=_TIMEOUT,
        ) as answer:
            body = await answer.content.read(_LONGEST_BODY)
            received = [[name, value] for name, value in answer.headers.items()]
            status, served_by = answer.status, answer.headers.getall("served-by", [])
            # a gateway replaces the id of a request from outside
            request_id = answer.headers.get("x-request-id", headers["x-request-id"])
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"error": str(error) or type(error).__name__, "milliseconds": _milliseconds(start)}
    return {
        "status": status,
        "headers": received,
        "body": body.decode(errors="replace"),
        "hops": [hop.strip() for value in served_by for hop in value.split(",")],
        "requestId": request_id,
        "milliseconds": _milliseconds(start),
    }


def _milliseconds(start: float) -> float:
    return round(1000 * (time.perf_counter() - start), 1)
