"""A server that answers with its identity and the request, over HTTP/1.1 and HTTP/2.

Run as `python server.py IDENTITY`, a JSON object with workload, version, pod, namespace, service, container,
image and ports (declared → real). One process answers on all of its ports, with JSON: its identity, the
declared port, the method, the path and the headers of the request. `/status/503` anywhere in the path sets
the status, `/delay/0.5` waits that many seconds first. A path that starts with `/call/AUTHORITY/…` calls
that authority, through HTTP_PROXY as other programs do, and adds its answer as `upstream`. Every request is
logged as one line of JSON. A WebSocket gets its messages back, and gRPC an answer to every unary method.

It uses plain sockets and threads because one runs per pod: http.server or asyncio would double both the
memory and the start-up time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_HTTP2 = b"PRI * HTTP/2.0\r\n"
"""The first line of a connection of HTTP/2 (RFC 9113, section 3.4)."""
_LARGEST_HEAD = 64 * 1024
_DRAIN_SECONDS = 30.0
_STATUS = re.compile(r"/status/([2-5]\d\d)(?=[/?]|$)")
_DELAY = re.compile(r"/delay/(\d{1,4}(?:\.\d+)?)(?=[/?]|$)")
_CALL = re.compile(r"/call/([^/?]+)(/.*)?")
_NOT_FORWARDED = re.compile(
    r"connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*|host|content-length"
    r"|x-envoy-.*|x-forwarded-.*"
)

Headers = dict[str, str]


class Malformed(Exception):  # noqa: N818 - the adjective describes the request
    """The request is not valid HTTP/1.1."""


class Request:
    """One request; header names are in lower case, repeated headers are joined by commas."""

    def __init__(self, method: str, path: str, version: str, headers: Headers, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        connection = headers.get("connection", "").lower()
        self.keep_alive = connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"


class Stub:
    """Answers for one container on all of its ports."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self.identity = {key: value for key, value in identity.items() if key != "ports"}
        self.listeners = {int(declared): _listener(real) for declared, real in identity["ports"].items()}
        self.draining = False
        self.requests_in_progress = 0
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Answers until SIGTERM, then completes the requests in progress."""
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for port, listener in self.listeners.items():
            threading.Thread(target=self._accept, args=(port, listener), daemon=True).start()
        signal.sigwait(signals)
        self.draining = True
        for listener in self.listeners.values():
            listener.close()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.requests_in_progress and time.monotonic() < deadline:
            time.sleep(0.01)

    def _accept(self, port: int, listener: socket.socket) -> None:
        while not self.draining:
            try:
                connection, _peer = listener.accept()
            except OSError:
                continue  # out of file descriptors, or closed to drain
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve_connection, args=(port, connection), daemon=True).start()

    def _serve_connection(self, port: int, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while line := reader.readline(_LARGEST_HEAD):
                    if line == _HTTP2:
                        self._serve_http2(port, connection, reader)
                        return
                    if b"HTTP/" not in line:
                        self._echo(port, line, connection, reader)
                        return
                    with self._in_progress():
                        request = read_request(line, reader, connection)
                        if request.headers.get("upgrade"):
                            self._serve_upgraded(port, request, connection, reader)
                            return
                        keep_alive = request.keep_alive and not self.draining
                        connection.sendall(self.answer(port, request, keep_alive))
                    if not keep_alive:
                        return
            except Malformed as error:
                connection.sendall(response(400, {"error": str(error)}, {"connection": "close"}))
            except OSError:
                return  # the client has disconnected

    def _serve_http2(self, port: int, connection: socket.socket, reader: Any) -> None:
        """Serves a connection that begins as HTTP/2 does."""
        _load_libraries()
        from localmesh.stub.http2 import Http2Connection

        def answer(method: str, path: str, headers: Headers, body: bytes) -> tuple[int, Any, Headers]:
            with self._in_progress():
                status, content, hop = self.outcome(port, Request(method, path, "HTTP/2", headers, body))
            return status, content, {"served-by": hop}

        Http2Connection(connection, answer).serve(_HTTP2, lambda: reader.read1(_LARGEST_HEAD))

    def _serve_upgraded(self, port: int, request: Request, connection: socket.socket, reader: Any) -> None:
        """Serves a WebSocket; another upgrade is ignored, as HTTP/1.1 allows."""
        _load_libraries()
        from localmesh.stub import websocket

        if not websocket.wants_websocket(request.headers):
            connection.sendall(self.answer(port, request, keep_alive=False))
            return
        self._log(port, request, 101)
        connection.sendall(websocket.accepted(request.headers, {"served-by": self._hop(request)}))
        websocket.echo(reader, connection)

    def _echo(self, port: int, line: bytes, connection: socket.socket, reader: Any) -> None:
        """Returns each line with the workload in front, as callers of a TCP port can tell versions apart."""
        while line:
            connection.sendall(f"{self.identity.get('workload')} ".encode() + line)
            self._write_log({"pod": self.identity.get("pod"), "port": port, "bytes": len(line)})
            line = reader.readline(_LARGEST_HEAD)

    @contextmanager
    def _in_progress(self) -> Iterator[None]:
        with self._lock:
            self.requests_in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self.requests_in_progress -= 1

    def answer(self, port: int, request: Request, keep_alive: bool = True) -> bytes:
        """The response to one request of HTTP/1.1, after the delay in its path."""
        status, content, hop = self.outcome(port, request)
        headers = {"served-by": hop} if keep_alive else {"served-by": hop, "connection": "close"}
        return response(status, content, headers, with_body=request.method != "HEAD")

    def outcome(self, port: int, request: Request) -> tuple[int, dict[str, Any], str]:
        """The status, the content and the `served-by` of the answer, after the delay in the path."""
        hop = self._hop(request)
        content = {
            **self.identity,
            "port": port,
            "method": request.method,
            "path": request.path,
            "headers": request.headers,
        }
        status = 200
        if upstream_call := _CALL.match(request.path):
            status, upstream, upstream_hops = call(upstream_call[1], upstream_call[2] or "/", request)
            content["upstream"] = upstream
            hop = ", ".join(filter(None, (hop, upstream_hops)))
        else:
            if delay := _DELAY.search(request.path):
                time.sleep(float(delay[1]))
            if chosen := _STATUS.search(request.path):
                status = int(chosen[1])
        self._log(port, request, status)
        return status, content, hop

    def _hop(self, request: Request) -> str:
        """The element of `served-by` for a request."""
        own = self.identity
        hop = f"{own.get('service') or '-'}/{own.get('version') or '-'}/{own.get('pod') or '-'}"
        attempt = request.headers.get("x-envoy-attempt-count")
        return f"{hop};attempt={attempt}" if attempt else hop

    def _log(self, port: int, request: Request, status: int) -> None:
        line = {
            "pod": self.identity.get("pod"),
            "port": port,
            "method": request.method,
            "path": request.path,
            "host": request.headers.get("host"),
            "status": status,
            "request_id": request.headers.get("x-request-id"),
        }
        self._write_log(line)

    @staticmethod
    def _write_log(line: dict[str, Any]) -> None:
        os.write(sys.stdout.fileno(), f"{json.dumps(line)}\n".encode())  # in one write


def read_request(line: bytes, reader: Any, connection: socket.socket) -> Request:
    """The request that starts with `line`. Raises Malformed."""
    words = line.decode("latin-1").split()
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise Malformed("this is not a request line of HTTP/1.1")
    headers: Headers = {}
    size = len(line)
    while (line := reader.readline(_LARGEST_HEAD)) not in {b"\r\n", b"\n"}:
        size += len(line)
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or size > _LARGEST_HEAD:
            raise Malformed("the head is too large or incomplete")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(words[0], words[1], words[2], headers, _body(reader, headers))


def _body(reader: Any, headers: Headers) -> bytes:
    try:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            return bytes(reader.read(int(headers.get("content-length", 0))))
        body = b""
        while size := int(reader.readline(_LARGEST_HEAD).split(b";")[0], 16):
            body += reader.read(size)
            reader.readline(_LARGEST_HEAD)
        while reader.readline(_LARGEST_HEAD).strip():
            pass  # trailers
        return body
    except ValueError:
        raise Malformed("the length of the body is not a number") from None


def response(status: int, content: dict[str, Any], headers: Headers, with_body: bool = True) -> bytes:
    """An HTTP/1.1 response with JSON."""
    body = (json.dumps(content, indent=2) + "\n").encode()
    if status in {204, 304}:
        body = b""
    lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Chosen'}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if status not in {204, 304}:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + (body if with_body else b"")


def call(authority: str, path: str, request: Request) -> tuple[int, Any, str]:
    """Calls another service; returns its status, its content and its `served-by`."""
    from http.client import HTTPConnection, HTTPException

    proxy = os.environ.get("HTTP_PROXY") or os.environ.get("http_proxy") or ""
    headers = {name: value for name, value in request.headers.items() if not _NOT_FORWARDED.fullmatch(name)}
    headers["host"] = authority
    target = f"http://{authority}{path}" if proxy else path
    connection = HTTPConnection(proxy.removeprefix("http://").rstrip("/") or authority, timeout=3600)
    try:
        connection.request(request.method, target, request.body or None, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return 502, {"error": f"{authority}: {error}"}, ""
    finally:
        connection.close()
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    return answer.status, content, answer.getheader("served-by") or ""


def _load_libraries() -> None:
    """Finds the libraries that a start with `-S` leaves out."""
    if "site" not in sys.modules:
        import site

        site.main()


def _listener(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=1024)


def main() -> None:
    """Runs the stub with the identity in the only argument."""
    try:
        identity = json.loads(sys.argv[1])
        stub = Stub(identity)
    except (IndexError, ValueError, KeyError, AttributeError):
        sys.exit('usage: python -m localmesh.stub \'{"workload": "logic-v1", "ports": {"8080": 8080}}\'')
    except OSError as error:
        sys.exit(f"stub: cannot listen: {error}")
    stub.serve()


if __name__ == "__main__":
    main()
