"""The HTTP API of a running mesh, for loadgen, other tools and localmesh's own commands.

`/api` and `/apis` answer as a Kubernetes API server does; `/mesh` exists only in localmesh.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from localmesh.catalog import Catalog
from localmesh.errors import InvalidRequestError, LocalmeshError
from localmesh.manifests import Resource, located
from localmesh.problems import ManifestError, Problem
from localmesh.runtime.mesh import Mesh
from localmesh.server import kubernetes, metrics, traces
from localmesh.server.apply_request import ApplyRequest
from localmesh.server.page import LIVE, add_page
from localmesh.server.pods import find_pod, pods
from localmesh.server.status import gateways, status
from localmesh.translate.from_manifests import UnknownWorkloadError, find
from localmesh.xds.config_dump import config_dump

MESH = web.AppKey("mesh", Mesh)
_CLIENT = web.AppKey("client", aiohttp.ClientSession)
_NAMES = web.AppKey("names", frozenset[str])
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

_STATUS_OF: tuple[tuple[type[LocalmeshError], int, str], ...] = (
    (InvalidRequestError, 400, "BadRequest"),
    (UnknownWorkloadError, 404, "NotFound"),
    (ManifestError, 422, "Invalid"),
    (LocalmeshError, 409, "Conflict"),
)
"""HTTP status and reason of each error; the first that fits counts."""
_NOTHING_CHANGED = "Nothing was changed: the previous configuration still applies."

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(mesh: Mesh, names: Collection[str] = ()) -> web.Application:
    """The API of a running mesh; it accepts loopback addresses and `names` as host names."""
    app = web.Application(client_max_size=64 * 1024**2, middlewares=[_errors_as_status, _local_callers_only])
    app[MESH] = mesh
    app[_NAMES] = _LOOPBACK_NAMES | set(names)
    app.cleanup_ctx.append(_client)
    add_page(app, mesh)
    app.add_routes(
        [
            web.get("/mesh", _mesh),
            web.post("/mesh/apply", _apply),
            web.get("/mesh/manifests", _manifests),
            web.post("/mesh/rotate-certificates", _rotate_certificates),
            web.get("/mesh/proxy-config/{workload}", _proxy_config),
            web.post("/mesh/pods/{namespace}/{pod}/exec", _exec),
            web.get("/mesh/traces", _traces),
            web.get("/mesh/traces/{trace}", _trace),
            web.get("/federate", _federate),
            web.get("/api/v1/namespaces/{namespace}/pods", _pods),
            web.get("/api/v1/pods", _pods),
            web.get("/api/v1/namespaces/{namespace}/pods/{pod}", _pod),
            web.get("/api/v1/namespaces/{namespace}/pods/{pod}/log", _pod_log),
            web.get("/api/v1/namespaces/{namespace}/pods/{pod}/proxy/{path:.*}", _pod_proxy),
            *_object_routes("/api/{version}"),
            *_object_routes("/apis/{group}/{version}"),
        ]
    )
    return app


@web.middleware
async def _errors_as_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers an expected error with its status; a bug with 500, and logs its traceback."""
    try:
        return await handler(request)
    except LocalmeshError as error:
        return _error_response(error)
    except web.HTTPException:
        raise
    except Exception as error:
        _log.exception("internal error in %s %s", request.method, request.path)
        message = (
            f"internal error: {error!r}; the traceback is in the output of the process that runs the mesh"
        )
        return _refused(500, "InternalError", message)


@web.middleware
async def _local_callers_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses web pages: applying manifests starts programs, and a browser can reach the loopback.

    A page of another origin cannot send JSON without a preflight request, which is not answered. If its host
    name resolves to the loopback, it still sends that name as Host. Browsers say where a request comes from
    (W3C, "Fetch Metadata Request Headers"): others may only link to the live page.
    """
    host = request.host.rpartition(":")[0] or request.host
    if host not in request.app[_NAMES]:
        return _refused(403, "Forbidden", f"{host} is not a name of this API: use a loopback address")
    if not _is_own_origin(request):
        return _refused(403, "Forbidden", "a page of another origin cannot use this API")
    if request.method == "POST" and request.content_type != "application/json":
        return _refused(415, "UnsupportedMediaType", "the content type must be application/json")
    return await handler(request)


def _is_own_origin(request: web.Request) -> bool:
    """Whether a request is from the live page, or from no page: a program, the address bar, a link to `/`."""
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return True
    is_link = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return is_link and request.method == "GET" and request.path == "/"


def _object_routes(prefix: str) -> list[web.RouteDef]:
    return [
        web.get(prefix + "/{kinds}", _objects),
        web.get(prefix + "/namespaces/{namespace}/{kinds}", _objects),
        web.get(prefix + "/namespaces/{namespace}/{kinds}/{name}", _object),
    ]


async def _client(app: web.Application) -> Any:
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        app[_CLIENT] = client
        yield


async def _mesh(request: web.Request) -> web.Response:
    return web.json_response(status(request.app[MESH]))


async def _proxy_config(request: web.Request) -> web.Response:
    mesh = request.app[MESH]
    proxy = find(mesh.desired_state.proxies, request.match_info["workload"])
    return web.json_response(config_dump(mesh.config_of(proxy)))


async def _exec(request: web.Request) -> web.Response:
    """How the caller, on this machine, runs a command as in a pod. A POST, as it answers with Secrets."""
    namespace, name = request.match_info["namespace"], request.match_info["pod"]
    pod = request.app[MESH].pods.get((namespace, name))
    if pod is None:
        return _not_found("pods", name)
    order = await _json(request)
    command = order.get("command") if isinstance(order, dict) else None
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise InvalidRequestError('the body must have "command", a list of at least one string')
    launch = pod.application.launch(str(order.get("container") or ""), command)
    return web.json_response(
        {
            "command": launch.arguments,
            "environment": launch.environment,
            "workingDirectory": str(launch.working_directory),
        }
    )


async def _apply(request: web.Request) -> web.Response:
    """Applies an `ApplyRequest`; returns when every proxy has acknowledged the change."""
    mesh = request.app[MESH]
    try:
        order = ApplyRequest.parse(await _json(request))
        given = await asyncio.to_thread(order.load)
        current = mesh.desired_state
        loaded = order.combined(current, given)

        def review(catalog: Catalog) -> tuple[Problem, ...]:
            return order.review(catalog, given, current)

        start = asyncio.get_running_loop().time()
        changes = await mesh.apply(
            loaded.resources,
            loaded.ignored,
            sources=loaded.sources,
            review=review if order.strict else None,
        )
        seconds = asyncio.get_running_loop().time() - start
        request.app[LIVE].applied(changes)
        # proxies do not have to wait for warnings
        warnings = await asyncio.to_thread(review, mesh.desired_state.catalog)
        missing = (warning for warning in mesh.momentary_warnings() if warning.place in given.sources)
        warnings = (*warnings, *located(missing, given.sources))
    except LocalmeshError as error:
        return _error_response(error, _NOTHING_CHANGED)
    return web.json_response(
        {
            "added": changes.added,
            "changed": changes.changed,
            "removed": changes.removed,
            "ignored": [resource.place.subject for resource in given.ignored],
            "generation": mesh.generation,
            "proxies": len(mesh.desired_state.proxies),
            "missing": sorted(proxy.name for proxy in mesh.desired_state.proxies if not mesh.synced(proxy)),
            "seconds": round(seconds, 4),
            "warnings": [str(warning) for warning in warnings],
            "gateways": gateways(mesh),
        }
    )


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:  # not JSON, or not UTF-8
        raise InvalidRequestError(f"the body is not JSON: {error}") from None


async def _manifests(request: web.Request) -> web.Response:
    """All applied objects, also ignored ones, as a text for `POST /mesh/apply`; `?status` adds statuses."""
    plan = request.app[MESH].desired_state
    bodies = (
        _body(request, resource) if "status" in request.query else kubernetes.body(resource)
        for resource in (*plan.resources, *plan.ignored)
    )
    return web.json_response({"text": "\n---\n".join(map(json.dumps, bodies))})


def _body(request: web.Request, resource: Resource) -> dict[str, Any]:
    """An object with its status."""
    status = request.app[MESH].desired_state.catalog.gateway_api.status_of(resource)
    return kubernetes.body(resource, status)


async def _rotate_certificates(request: web.Request) -> web.Response:
    """Issues a new certificate to every proxy, without interrupting connections."""
    mesh = request.app[MESH]
    await mesh.rotate_certificates()
    return web.json_response({"proxies": len(mesh.desired_state.proxies)})


async def _pods(request: web.Request) -> web.Response:
    namespace = request.match_info.get("namespace")
    selector = request.query.get("labelSelector", "")
    found = [pod.document() for pod in pods(request.app[MESH], namespace)]
    return web.json_response(
        kubernetes.object_list(
            "PodList", "v1", [pod for pod in found if kubernetes.has_labels(pod, selector)]
        )
    )


async def _pod(request: web.Request) -> web.Response:
    namespace, name = request.match_info["namespace"], request.match_info["pod"]
    pod = find_pod(request.app[MESH], namespace, name)
    if pod is None:
        return _not_found("pods", name)
    return web.json_response(pod.document())


async def _pod_log(request: web.Request) -> web.Response:
    """The log of a pod's application, or of its sidecar (`container`); the last `tailLines`, or all."""
    namespace, name = request.match_info["namespace"], request.match_info["pod"]
    pod = find_pod(request.app[MESH], namespace, name)
    if pod is None:
        return _not_found("pods", name)
    newest = request.query.get("tailLines", "")
    if newest and not newest.isdecimal():
        return _refused(400, "BadRequest", f'tailLines is "{newest}", expected a whole number')
    file = pod.log_file(request.query.get("container", ""))
    if file is None or not file.exists():
        missing = "does not exist" if file else "is not kept by the mesh, which has not started it"
        return _refused(404, "NotFound", f"the log of pod {name} {missing}: look at the container's own log")
    lines = await asyncio.to_thread(_last_lines, file, int(newest) if newest else None)
    return web.Response(text="".join(lines), content_type="text/plain")


def _last_lines(file: Path, newest: int | None) -> deque[str]:
    with file.open(encoding="utf-8", errors="replace") as log:
        return deque(log, maxlen=newest)


async def _federate(request: web.Request) -> web.Response:
    """The metrics of all pods, for one job of a Prometheus."""
    text = await metrics.federate(request.app[_CLIENT], request.app[MESH])
    return web.Response(text=text, headers={"content-type": metrics.CONTENT_TYPE})


async def _traces(request: web.Request) -> web.Response:
    """The newest traces, at most `limit`."""
    limit = request.query.get("limit", "100")
    if not limit.isdecimal():
        return _refused(400, "BadRequest", f'limit is "{limit}", expected a whole number')
    found = await asyncio.to_thread(request.app[MESH].spans.traces, min(int(limit), traces.LARGEST_LIMIT))
    return web.json_response({"traces": [traces.summary(trace) for trace in found]})


async def _trace(request: web.Request) -> web.Response:
    """One trace with its spans."""
    trace_id = request.match_info["trace"].lower()
    if not traces.is_trace_id(trace_id):
        return _refused(400, "BadRequest", f'"{trace_id}" is not the id of a trace: 32 hexadecimal digits')
    found = await asyncio.to_thread(request.app[MESH].spans.trace, trace_id)
    return web.json_response(traces.details(found)) if found else _not_found("traces", trace_id)


async def _pod_proxy(request: web.Request) -> web.StreamResponse:
    namespace = request.match_info["namespace"]
    name, _, port = request.match_info["pod"].partition(":")
    part = request.app[MESH].pods.get((namespace, name)) or request.app[MESH].gateways.get((namespace, name))
    if part is not None and metrics.is_metrics(port, request.match_info["path"]):
        text = await metrics.metrics_of(request.app[_CLIENT], part)
        return web.Response(text=text, headers={"content-type": metrics.CONTENT_TYPE})
    pod = find_pod(request.app[MESH], namespace, name)
    if pod is None:
        return _not_found("pods", name)
    declared = pod.port(port)
    address = pod.address(declared) if declared is not None else None
    if declared is None or address is None:
        return _refused(400, "BadRequest", f"pod {name} declares no port {port or '(none named)'}")
    if pod.requires_mtls(declared):
        return _refused(503, "ServiceUnavailable", f"pod {name}, port {port}: only mTLS is accepted")
    url = f"http://{address}/{request.match_info['path']}"
    # By default aiohttp's client would request compressed answers, also for callers that do not accept them.
    wanted = {"accept-encoding": request.headers.get("accept-encoding", "identity")}
    try:
        async with request.app[_CLIENT].get(url, params=request.query, headers=wanted) as answer:
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)
    except aiohttp.ClientError as error:
        return _refused(503, "ServiceUnavailable", f"pod {name}, port {port}: {error}")


async def _objects(request: web.Request) -> web.Response:
    found = _matching(request)
    kind = f"{found[0].kind}List" if found else "List"
    selector = request.query.get("labelSelector", "")
    bodies = [_body(request, resource) for resource in found]
    return web.json_response(
        kubernetes.object_list(
            kind, _api_version(request), [b for b in bodies if kubernetes.has_labels(b, selector)]
        )
    )


async def _object(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    for resource in _matching(request):
        if resource.name == name:
            return web.json_response(_body(request, resource))
    return _not_found(request.match_info["kinds"], name)


def _matching(request: web.Request) -> list[Any]:
    plan = request.app[MESH].desired_state
    return kubernetes.objects(
        (*plan.resources, *plan.ignored),
        group=request.match_info.get("group", ""),
        kinds=request.match_info["kinds"],
        namespace=request.match_info.get("namespace"),
    )


def _api_version(request: web.Request) -> str:
    group, version = request.match_info.get("group", ""), request.match_info["version"]
    return f"{group}/{version}" if group else version


def _not_found(kinds: str, name: str) -> web.Response:
    return _refused(404, "NotFound", f'{kinds} "{name}" not found')


def _refused(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(kubernetes.refusal(code, reason, message), status=code)


def _error_response(error: LocalmeshError, note: str = "") -> web.Response:
    code, reason = next((code, reason) for kind, code, reason in _STATUS_OF if isinstance(error, kind))
    return _refused(code, reason, "\n".join(filter(None, (str(error), note))))
