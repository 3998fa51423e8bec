"""Sends the requests of a case and summarizes the answers, for a cluster and for localmesh."""

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

SLOWER = ((3.5, "long"), (1.2, "a while"))
"""Names of durations by their lower limit in seconds; the answers of the cases are never near a limit."""


async def answers(gateway: str, requests: Iterable[Request]) -> list[Answer]:
    """The answers to the requests, in their order; the requests are sent concurrently."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        return list(await asyncio.gather(*(_answer(session, gateway, request) for request in requests)))


async def _answer(session: aiohttp.ClientSession, gateway: str, request: Request) -> Answer:
    results = [await _once(session, gateway, request) for _ in range(request.times)]
    versions = Counter(result.pop("version") for result in results)
    distinct = sorted({json.dumps(result, sort_keys=True) for result in results})
    answer: Answer = {"answers": [json.loads(result) for result in distinct]}
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
    took = next((words for limit, words in SLOWER if seconds >= limit), "at once")
    shown = {name: answer.headers[name] for name in request.shows if name in answer.headers}
    result = {"status": answer.status, "took": took, "headers": shown, **_report(text, request)}
    return {key: value for key, value in result.items() if key == "version" or value}


def _report(text: str, request: Request) -> dict[str, Any]:
    """The last application's report about itself and the request, or the text of a proxy's response."""
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
