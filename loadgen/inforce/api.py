"""A client of the Kubernetes API, which localmesh serves too; a cluster is read through `kubectl proxy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loadgen.errors import NotReachable

if TYPE_CHECKING:
    import requests

Object = Mapping[str, Any]
"""A Kubernetes object as its JSON."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The objects of one namespace that decide where requests go."""

    namespace: str
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()


class MeshApi:
    """The API of one mesh, for one namespace; a context manager, since it holds connections."""

    def __init__(self, url: str, namespace: str, *, timeout_seconds: float = 10.0) -> None:
        import requests

        self.url = url.rstrip("/")
        self.namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        # A pod's or a developer's HTTP_PROXY is for the traffic of applications, not for this.
        self._session.trust_env = False

    def __enter__(self) -> MeshApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def resources(self) -> Resources:
        """What is in force now."""
        return Resources(
            self.namespace,
            virtual_services=self.items("networking.istio.io/v1", "virtualservices"),
            destination_rules=self.items("networking.istio.io/v1", "destinationrules"),
            services=self.items("v1", "services"),
            deployments=self.items("apps/v1", "deployments"),
        )

    def gateway(self) -> str:
        """The URL of the ingress gateway, as localmesh says it (`GET /mesh`)."""
        mesh = self.get("/mesh")
        if mesh.get("ready") is False:
            raise NotReachable(
                f"the mesh at {self.url} is not ready yet: wait until `localmesh status` says so"
            )
        try:
            return str(mesh["gateways"]["ingressgateway"]["http"])
        except (KeyError, TypeError):
            raise NotReachable(
                f"the mesh at {self.url} names no ingress gateway: give its address with --gateway"
            ) from None

    def items(self, api_version: str, kind: str) -> tuple[Object, ...]:
        """The objects of a kind, by its plural."""
        root = "/api" if "/" not in api_version else "/apis"
        path = f"{root}/{api_version}/namespaces/{self.namespace}/{kind}"
        items = self.get(path).get("items")
        if not isinstance(items, list):
            raise NotReachable(f"{self.url}{path} is not a list of {kind}: is this the API of a mesh?")
        return tuple(items)

    def get(self, path: str) -> Object:
        """The JSON object at a path."""
        import requests

        answer = self._request("GET", path)
        try:
            content = answer.json() if answer.ok else None
        except requests.JSONDecodeError as error:
            raise NotReachable(
                f"{self.url}{path} answers something that is not JSON: is this the API of a mesh?"
            ) from error
        if not isinstance(content, dict):
            raise NotReachable(
                f"{self.url}{path} answers {answer.status_code} {answer.reason}: is this the API of a mesh?"
            )
        return content

    def text(self, path: str) -> str:
        """The text at a path, such as a pod's metrics or log."""
        answer = self._request("GET", path)
        if not answer.ok:
            raise NotReachable(f"{self.url}{path} answers {answer.status_code} {answer.reason}")
        return str(answer.text)

    def send(self, method: str, path: str, document: Object) -> None:
        """Send a JSON document; whoever refuses it says why."""
        answer = self._request(method, path, document)
        if not answer.ok:
            raise NotReachable(f"{self.url}{path} answers {answer.status_code}: {answer.text.strip()}")

    def _request(self, method: str, path: str, document: Object | None = None) -> requests.Response:
        import requests

        try:
            return self._session.request(
                method, self.url + path, json=document, timeout=self._timeout_seconds
            )
        except requests.RequestException as error:
            raise NotReachable(self._unreachable(error)) from error

    def _unreachable(self, error: Exception) -> str:
        import requests

        reason = (
            "does not answer in time" if isinstance(error, requests.Timeout) else "cannot be connected to"
        )
        remedy = "start a mesh with `make up`, or name one with --mesh or LOCALMESH_URL"
        return f"the mesh's API at {self.url} {reason}: {remedy}"
