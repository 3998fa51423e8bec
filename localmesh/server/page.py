"""The live page: its files, its events, and what it asks for. It can look, and send requests to gateways."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from importlib import resources
from typing import Any

import aiohttp
from aiohttp import web

from localmesh.errors import InvalidRequestError
from localmesh.runtime.mesh import Mesh
from localmesh.server.gateway_request import GatewayRequest, send
from localmesh.server.live import LiveView
from localmesh.server.proof_report import parse as parse_report
from localmesh.server.status import gateways
from localmesh.telemetry.rules import edge_rules, node_rules

LIVE = web.AppKey("live", LiveView)
_MESH = web.AppKey("page_mesh", Mesh)
_FILES = web.AppKey("files", Mapping[str, bytes])
_CLIENT = web.AppKey("gateway_client", aiohttp.ClientSession)

_MEDIA_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
_HEADERS = {
    # inline styles: uPlot sets them on its elements
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
_KEEP_ALIVE_SECONDS = 15


def add_page(app: web.Application, mesh: Mesh) -> None:
    """Adds the page and its endpoints to the API of a mesh."""
    app[_MESH] = mesh
    app[LIVE] = LiveView(mesh)
    app[_FILES] = _files()
    app.cleanup_ctx.append(_gateway_client)
    # before the server waits for open connections
    app.on_shutdown.append(_end_events)
    app.add_routes(
        [
            web.get("/", _index),
            web.get("/page/{file:.+}", _file),
            web.get("/mesh/live", _events),
            web.get("/mesh/live/edge", _edge),
            web.get("/mesh/live/node", _node),
            web.post("/mesh/proofs", _proofs),
            web.post("/mesh/send", _send),
        ]
    )


async def _end_events(app: web.Application) -> None:
    await app[LIVE].close()


async def _gateway_client(app: web.Application) -> AsyncIterator[None]:
    # cookies and redirects are the caller's business
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        app[_CLIENT] = client
        yield


def _files() -> Mapping[str, bytes]:
    """The files of the page by path."""
    folder = resources.files("localmesh.server") / "static"
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    vendor = folder / "vendor"
    return found | {f"vendor/{file.name}": file.read_bytes() for file in vendor.iterdir()}


async def _index(request: web.Request) -> web.Response:
    return _file_response(request, "index.html")


async def _file(request: web.Request) -> web.Response:
    return _file_response(request, request.match_info["file"])


def _file_response(request: web.Request, name: str) -> web.Response:
    content = request.app[_FILES].get(name)
    if content is None:
        raise web.HTTPNotFound(text=f"the page has no file {name}\n")
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
    response = web.Response(body=content, content_type=media_type, charset="utf-8", headers=_HEADERS)
    response.enable_compression()
    return response


async def _events(request: web.Request) -> web.StreamResponse:
    """The state of the mesh, then what happens, as server-sent events."""
    live = request.app[LIVE]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    with live.subscribed() as events:
        await response.prepare(request)
        event: str | None = await live.state()
        with contextlib.suppress(ConnectionResetError):  # the page was closed
            while event is not None:
                await response.write(event.encode())
                try:
                    event = await asyncio.wait_for(events.get(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    event = ": still here\n\n"
    return response


async def _edge(request: web.Request) -> web.Response:
    live = request.app[LIVE]
    graph, explainer = await live.graph(), await live.explainer()
    found = await asyncio.to_thread(edge_rules, explainer, graph, request.query.get("id", ""))
    return web.json_response(found)


async def _node(request: web.Request) -> web.Response:
    explainer = await request.app[LIVE].explainer()
    found = await asyncio.to_thread(node_rules, explainer, request.query.get("id", ""))
    return web.json_response(found)


async def _proofs(request: web.Request) -> web.Response:
    """Takes a report of `loadgen prove` for the page."""
    request.app[LIVE].proven(parse_report(await _json(request)))
    return web.json_response({})


async def _send(request: web.Request) -> web.Response:
    """Sends a request to a gateway of the mesh, and answers with its answer."""
    order = GatewayRequest.parse(await _json(request), gateways(request.app[_MESH]))
    return web.json_response(await send(request.app[_CLIENT], order))


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise InvalidRequestError(f"the body is not JSON: {error}") from None
