"""Sending a case's requests and saying what came of them, the same for a cluster and for localmesh."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp

from tests.conformance.behaviour.cases import Request

Answer = dict[str, Any]

_SLOWER = ((3.5, "long"), (1.2, "a while"))
"""From how many seconds on an answer took how long; the cases keep well away from these."""


async def answers(gateway: str, requests: Iterable[Request]) -> list[Answer]:
    """What came of each request, in their order; the requests are sent side by side."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        return list(await asyncio.gather(*(_answer(session, gateway, request) for request in requests)))


async def _answer(session: aiohttp.ClientSession, gateway: str, request: Request) -> Answer:
    found = [await _once(session, gateway, request) for _ in range(request.times)]
    versions = Counter(each.pop("version") for each in found)
    kinds = sorted({json.dumps(each, sort_keys=True) for each in found})
    answer: Answer = {"answers": [json.loads(kind) for kind in kinds]}
    if request.any:
        answer["versions"] = len(versions)
    elif any(versions):
        answer["versions"] = dict(sorted(versions.items()))
    return answer


async def _once(session: aiohttp.ClientSession, gateway: str, request: Request) -> dict[str, Any]:
    began = time.monotonic()
    async with session.request(
        request.method,
        gateway + request.path,
        headers={"Host": request.host, **request.headers},
        allow_redirects=False,
    ) as answer:
        text = await answer.text()
    seconds = time.monotonic() - began
    took = next((words for limit, words in _SLOWER if seconds >= limit), "at once")
    shown = {name: answer.headers[name] for name in request.shows if name in answer.headers}
    found = {"status": answer.status, "took": took, "headers": shown, **_told(text, request)}
    return {key: value for key, value in found.items() if key == "version" or value}


def _told(text: str, request: Request) -> dict[str, Any]:
    """What the last application of the way tells of itself and of the request, or the text of a proxy."""
    content = _content(text)
    if isinstance(content, Mapping) and "upstream" in content:
        content = content["upstream"]
    if not isinstance(content, Mapping) or "workload" not in content:
        return {"version": "", "text": str(content).strip()}
    saw = content["headers"]
    return {
        "version": content["version"],
        "attempts": saw.get("x-envoy-attempt-count", ""),
        "path": content["path"],
        "saw": {name: saw[name] for name in request.saw if name in saw},
    }


def _content(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
