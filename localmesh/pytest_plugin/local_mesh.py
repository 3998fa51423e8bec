"""A running mesh for tests: requests as its workloads send them, and explanations of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localmesh.cli.client import Client
from localmesh.cli.sources import Sources
from localmesh.errors import InvalidInputError, LocalmeshError
from localmesh.explain import Explainer, Explanation, Request
from localmesh.explain.request import OUTSIDE
from localmesh.manifests import load_text
from localmesh.manifests.files import KUSTOMIZATION_NAMES
from localmesh.translate.formats import address_of

_READY = "import os, sys; print(os.environ['LOCALMESH_URL'], flush=True); sys.stdin.read()"
"""Runs in the mesh: says that it is ready, and ends when the tests close its standard input."""
_MAIN = "from localmesh.cli import main; main()"
_TIMEOUT_SECONDS = 10.0
_GATEWAY = "istio-ingressgateway"


class NotStartedError(LocalmeshError):
    """The mesh of the tests did not start; the message is that of `localmesh up`."""


class NoSidecarError(InvalidInputError):
    """The source of a request has no proxy that could send it."""


class NoAnswerError(LocalmeshError):
    """A request was not answered."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON, as stubs answer."""
        return json.loads(self.body)


@dataclass(slots=True)
class LocalMesh:
    """A running mesh; `api` is the URL of its HTTP API."""

    api: str
    _explainer: Explainer | None = field(default=None, repr=False)

    @property
    def client(self) -> Client:
        """The client of the HTTP API."""
        return Client(self.api)

    @property
    def gateway(self) -> str:
        """The URL of Istio's ingress gateway. Raises NoSidecarError if no Gateway selects it."""
        addresses = self.client.get("/mesh")["gateways"].get(_GATEWAY, {})
        if "http" not in addresses:
            raise NoSidecarError(f"no Gateway serves HTTP at {_GATEWAY}; name a source")
        return str(addresses["http"])

    def get(self, url: str, source: str | None = None, **others: Any) -> Response:
        """Sends a GET; see `request`."""
        return self.request("GET", url, source, **others)

    def post(self, url: str, source: str | None = None, **others: Any) -> Response:
        """Sends a POST; see `request`."""
        return self.request("POST", url, source, **others)

    def request(
        self,
        method: str,
        url: str,
        source: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> Response:
        """The answer to a request that a workload sends through its sidecar; redirects are not followed.

        `source` is a workload such as ``productpage-v1`` or ``productpage-v1.default``; without it the
        request comes from outside, through the ingress gateway. Raises NoAnswerError, NoSidecarError, and
        RefusedError for an unknown workload.
        """
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        if source is None:
            address, target = urlsplit(self.gateway).netloc, path
        else:
            address, target = self._outbound(source), f"http://{parts.netloc}{path}"
        connection = HTTPConnection(address, timeout=timeout)
        try:
            connection.request(method, target, body, {"Host": parts.netloc, **(headers or {})})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, names, answer.read())
        except (OSError, HTTPException) as error:
            raise NoAnswerError(
                f"{method} {url} from {source or OUTSIDE} was not answered: {error}"
            ) from None
        finally:
            connection.close()

    def explain(self, url: str, source: str = OUTSIDE, **others: Any) -> Explanation:
        """What the configuration does with a request, and why, without sending it.

        `others` are the further fields of `localmesh.explain.Request`, such as `method` and `headers`.
        Raises UnknownWorkloadError, InvalidUrlError.
        """
        if self._explainer is None:
            text = self.client.get("/mesh/manifests")["text"]
            self._explainer = Explainer.of(load_text(text, self.api).resources)
        return self._explainer.explain(Request.to(url, source=source, **others))

    def apply(self, *paths: str | Path) -> None:
        """Applies manifests as `localmesh apply` does: a kustomization replaces all, files are added.

        Returns when every proxy has acknowledged. Raises ManifestError and RefusedError.
        """
        request, _ = sources_of([Path(path) for path in paths]).request(strict=False, elsewhere=lambda: False)
        self._explainer = None
        self.client.post("/mesh/apply", request)

    def _outbound(self, source: str) -> str:
        """The address at which the sidecar of a workload takes its requests."""
        listeners = self.client.get(f"/mesh/proxy-config/{source}")["listeners"]
        outbound = next((listener for listener in listeners if listener["name"] == "outbound"), None)
        if outbound is None:
            raise NoSidecarError(f"{source} is a gateway: it sends no requests; name a workload")
        return str(address_of(outbound["address"]))


def sources_of(paths: Sequence[Path]) -> Sources:
    """The paths as a command takes them: kustomizations with -k, files and other folders with -f."""
    kustomizations = tuple(
        path for path in paths if any((path / name).exists() for name in KUSTOMIZATION_NAMES)
    )
    return Sources(kustomizations, tuple(path for path in paths if path not in kustomizations))


@contextmanager
def running(paths: Sequence[Path], folder: Path) -> Iterator[LocalMesh]:
    """Runs a mesh of manifests, with its state in a folder. Raises NotStartedError."""
    sources = sources_of(paths)
    options = [
        *sources.options,
        *("--state", str(folder / "state"), "--gateway-port", "0", "--api-port", "0", "--end-with-parent"),
    ]
    log = folder / "up.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, "up", *options, "--", sys.executable, "-c", _READY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            url = process.stdout.readline().strip()
            if not url:
                process.wait()
                raise NotStartedError(log.read_text(encoding="utf-8", errors="replace").strip())
            yield LocalMesh(url)
        finally:
            process.stdin.close()
            process.wait()
