"""Single probes of a running container."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict

from localmesh.catalog import LOOPBACK
from localmesh.catalog.probe import Action, Execute, GrpcHealth, HttpGet, Sleep, TcpSocket
from localmesh.runtime.processes.process import StartError

_LOCAL_HOSTS = frozenset({None, "", "localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104
_SERVING = b"\x08\x01"
_MOST_OF_BODY = 10 * 1024  # as the kubelet: enough for the server to send its response


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is probed: its real ports, and how to run a command beside it.

    `execute` takes a command and a time limit in seconds and returns the exit status, None after a timeout.
    It raises OSError or StartError for a command that cannot be run. `host` is the address of the ports.
    """

    real_port: Callable[[int], int]
    execute: Callable[[tuple[str, ...], float], Awaitable[int | None]]
    host: str = LOOPBACK


class ProbeClient:
    """Probes containers as the kubelet does.

    A status from 200 to 399 is a success. Unlike the kubelet it does not follow redirects, which would name
    the container's declared ports. As there, certificates are not verified.
    """

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._target = target

    async def failure(self, action: Action, timeout_seconds: float) -> str | None:
        """Probes once. Returns None for a success, otherwise what went wrong."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._probe(action, timeout_seconds)
        except TimeoutError:
            return f"{self._subject(action)}: no answer within {timeout_seconds:g} s"
        except StartError as error:
            return f"{self._subject(action)}: {error.reason}"
        except (OSError, aiohttp.ClientError) as error:
            return f"{self._subject(action)}: {_sentence(error)}{self._hint(action, error)}"

    async def _probe(self, action: Action, timeout_seconds: float) -> str | None:
        if isinstance(action, HttpGet):
            return await self._get(action)
        if isinstance(action, TcpSocket):
            _, writer = await asyncio.open_connection(*self._address(action))
            writer.close()
            return None
        if isinstance(action, GrpcHealth):
            return await self._check(action, timeout_seconds)
        if isinstance(action, Sleep):
            await asyncio.sleep(action.seconds)
            return None
        status = await self._target.execute(action.command, timeout_seconds)
        if status is None:
            raise TimeoutError
        return f"{self._subject(action)}: exit status {status}" if status else None

    async def _get(self, action: HttpGet) -> str | None:
        headers = CIMultiDict(action.headers)
        headers.setdefault("user-agent", "kube-probe/localmesh")
        async with self._session.get(self._url(action), headers=headers, allow_redirects=False) as answer:
            await answer.content.read(_MOST_OF_BODY)
            if 200 <= answer.status < 400:
                return None
            return f"{self._subject(action)}: status {answer.status}"

    async def _check(self, action: GrpcHealth, timeout_seconds: float) -> str | None:
        """Asks the health service of gRPC (gRPC, "GRPC Health Checking Protocol")."""
        import grpc  # slow to import, and few containers have such probes
        from google.protobuf.wrappers_pb2 import StringValue

        host, port = self._address(action)
        request = StringValue(value=action.service).SerializeToString()  # its field is that of the request
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/grpc.health.v1.Health/Check"
            )
            try:
                answer = await check(request, timeout=timeout_seconds)
            except grpc.aio.AioRpcError as error:
                refused = error.code() is grpc.StatusCode.UNAVAILABLE
                details = "nothing is listening there" if refused else error.details()
                return f"{self._subject(action)}: {error.code().name}: {details}"
        return None if answer == _SERVING else f"{self._subject(action)}: it is not serving"

    def _url(self, action: HttpGet) -> str:
        host, port = self._address(action)
        return f"{action.scheme.lower()}://{host}:{port}/{action.path.removeprefix('/')}"

    def _address(self, action: HttpGet | TcpSocket | GrpcHealth) -> tuple[str, int]:
        host = None if isinstance(action, GrpcHealth) else action.host
        if host in _LOCAL_HOSTS:
            return self._target.host, self._target.real_port(action.port)
        return host or LOOPBACK, action.port

    def _hint(self, action: Action, error: Exception) -> str:
        if (
            isinstance(action, Execute | Sleep)
            or not _is_refusal(error)
            or self._address(action)[1] == action.port
        ):
            return ""
        return "; the program has to listen on the port in its environment or in an argument $(NAME)"

    def _subject(self, action: Action) -> str:
        if isinstance(action, Execute):
            return " ".join(action.command)
        if isinstance(action, Sleep):
            return f"a sleep of {action.seconds:g} s"
        _, port = self._address(action)
        stands_for = f" (for port {action.port})" if port != action.port else ""
        where = (
            self._url(action) if isinstance(action, HttpGet) else ":".join(map(str, self._address(action)))
        )
        return f"{where}{stands_for}"


@contextlib.asynccontextmanager
async def probe_client(target: Target) -> AsyncIterator[ProbeClient]:
    """Opens a new connection for each probe, as the kubelet: an old one proves nothing about the port."""
    connector = aiohttp.TCPConnector(force_close=True, ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield ProbeClient(session, target)


def _sentence(error: Exception) -> str:
    if _is_refusal(error):
        return "nothing is listening there"
    return " ".join(str(error).split()) or type(error).__name__


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError)
