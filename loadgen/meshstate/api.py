"""A client of the Kubernetes API, which localmesh serves too; also from within a pod."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loadgen.errors import NotReachable, Refused
from loadgen.meshstate.mesh_location import MeshLocation

if TYPE_CHECKING:
    from requests import Response

    from loadgen.meshstate.service_account import ServiceAccount

Object = Mapping[str, Any]
"""A Kubernetes object as its JSON."""
_NOTED = frozenset({"managedFields", "resourceVersion"})

_TO_A_POD = "/proxy/"


@dataclass(frozen=True, slots=True)
class Resources:
    """The objects of one namespace that decide where requests go; equal where nothing else is wanted.

    What controllers report of them meanwhile, such as the end of a Deployment's last old pod, is left out.
    """

    namespace: str
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()


class MeshApi:
    """The API of one mesh, for one namespace; a context manager, since it holds connections."""

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        service_account: ServiceAccount | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        import requests

        self.url = url.rstrip("/")
        self.namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._service_account = service_account
        self._session = requests.Session()
        # A pod's or a developer's HTTP_PROXY is for the traffic of applications, not for this.
        self._session.trust_env = False
        if service_account is not None:
            service_account.prepare(self._session)

    def __enter__(self) -> MeshApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def document(self, path: str) -> Object:
        """The JSON object that a path answers."""
        return self._get(path)

    def elsewhere(self, namespace: str) -> MeshApi:
        """The same API for another namespace."""
        return MeshApi(
            self.url,
            namespace,
            service_account=self._service_account,
            timeout_seconds=self._timeout_seconds,
        )

    def resources(self) -> Resources:
        """What is in force now."""
        return Resources(
            self.namespace,
            virtual_services=self._wanted("networking.istio.io/v1", "virtualservices"),
            destination_rules=self._wanted("networking.istio.io/v1", "destinationrules"),
            services=self._wanted("v1", "services"),
            deployments=self._wanted("apps/v1", "deployments"),
        )

    def _wanted(self, api_version: str, kind: str) -> tuple[Object, ...]:
        return tuple(map(_without_reports, self.objects(api_version, kind)))

    def pods(self, **labels: str) -> tuple[Object, ...]:
        """The pods with these labels, by name."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        found = self.objects("v1", "pods", f"?labelSelector={quote(selector)}")
        return tuple(sorted(found, key=lambda pod: str(pod["metadata"]["name"])))

    def pod_text(self, pod: str, port: int, path: str) -> str:
        """What a pod's declared port answers to GET, through the API's proxy."""
        return self._answer(self._pod_path(pod, port, path)).text

    def pod_answer(self, pod: str, port: int, path: str) -> tuple[int, str]:
        """Status and text of what a pod's declared port answers to GET, whatever the status.

        What the API itself refuses (a Status object) is not the pod's answer, and NotReachable.
        """
        answer = self._exchange(self._pod_path(pod, port, path))
        if not answer.ok and _is_status(answer):
            raise self._refused(answer)
        return answer.status_code, answer.text

    def pod_refusal(self, pod: str, port: int, path: str) -> str | None:
        """Why no answer came from a pod's declared port, in the API's words; None if one came.

        The API calls in plain text, from outside the mesh, and its connection was refused or reset.
        """
        answer = self._exchange(self._pod_path(pod, port, path))
        if answer.ok or not _is_status(answer):
            return None
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return _reason(answer)
        raise self._refused(answer)

    def pod_log(self, pod: Object, *, newest: int) -> str:
        """The newest lines that a pod's application has written: the container that is not the sidecar."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/log"
        names = (str(each["name"]) for each in pod["spec"]["containers"])
        container = next(name for name in names if name != "istio-proxy")
        return self._answer(f"{path}?container={container}&tailLines={newest}").text

    def pod_headers(self, pod: Object, port: int, path: str) -> Mapping[str, str]:
        """The headers of what a pod's declared port answers to GET by itself, names in any case."""
        return self._answer(self._pod_path(str(pod["metadata"]["name"]), port, path)).headers

    def _pod_path(self, pod: str, port: int, path: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}{_TO_A_POD}{path}"

    def gateway(self) -> str:
        """The URL of the ingress gateway, as localmesh says it (`GET /mesh`)."""
        mesh = self._get("/mesh")
        if mesh.get("ready") is False:
            raise NotReachable(
                f"the mesh at {self.url} is not ready yet: wait until `localmesh status` says so"
            )
        try:
            return str(mesh["gateways"]["istio-ingressgateway"]["http"])
        except (KeyError, TypeError):
            raise NotReachable(
                f"the mesh at {self.url} names no ingress gateway: give its address with --gateway"
            ) from None

    def whereabouts(self) -> MeshLocation:
        """Which localmesh this is: its address and state folder (`GET /mesh`)."""
        try:
            folder = self._get("/mesh").get("stateFolder")
        except Refused:
            folder = None
        return MeshLocation(self.url, None if folder is None else str(folder))

    def objects(self, api_version: str, kind: str, query: str = "") -> tuple[Object, ...]:
        """The objects of a kind, by the plural of its name, such as `authorizationpolicies`."""
        root = "/api" if "/" not in api_version else "/apis"
        path = f"{root}/{api_version}/namespaces/{self.namespace}/{kind}{query}"
        items = self._get(path).get("items")
        if not isinstance(items, list):
            raise NotReachable(f"{self.url}{path} is not a list of {kind}: is this the API of a mesh?")
        return tuple(items)

    def _get(self, path: str) -> Object:
        import requests

        try:
            content = self._answer(path).json()
        except requests.JSONDecodeError as error:
            raise NotReachable(
                f"{self.url}{path} answers something that is not JSON: is this the API of a mesh?"
            ) from error
        if not isinstance(content, dict):
            raise NotReachable(f"{self.url}{path} answers no JSON object: is this the API of a mesh?")
        return content

    def send(self, method: str, path: str, document: Object, *, media_type: str = "application/json") -> None:
        """Send a JSON document; NotReachable, with the words of who refused it, if it is not taken."""
        self._answer(path, method, json.dumps(document), media_type)

    def _answer(
        self, path: str, method: str = "GET", body: str | None = None, media_type: str | None = None
    ) -> Response:
        """A 2xx answer; for any other Refused, for none NotReachable."""
        answer = self._exchange(path, method, body, media_type)
        if not answer.ok:
            raise self._refused(answer)
        return answer

    def _exchange(
        self, path: str, method: str = "GET", body: str | None = None, media_type: str | None = None
    ) -> Response:
        """An answer of any status; NotReachable if none comes."""
        import requests

        try:
            return self._session.request(
                method,
                self.url + path,
                data=body,
                headers={"content-type": media_type},
                timeout=self._timeout_seconds,
            )
        except requests.RequestException as error:
            raise NotReachable(self._unreachable(path, error)) from error

    @staticmethod
    def _refused(answer: Response) -> Refused:
        return Refused(f"{answer.url} answers {answer.status_code} {_reason(answer)}")

    def _unreachable(self, path: str, error: Exception) -> str:
        import requests

        late = isinstance(error, requests.Timeout)
        if late and _TO_A_POD in path:
            # Most plugins drop what a NetworkPolicy does not allow, so the API's server waits in vain.
            pod = path.partition("/pods/")[2].partition(_TO_A_POD)[0]
            return f"{self.url} has no answer of pod {pod} in time: does a NetworkPolicy keep the API out?"
        reason = "does not answer in time" if late else "cannot be connected to"
        remedy = (
            "start a mesh with `make up`, call loadgen in the folder where yours was started, "
            "or name it with --mesh or LOCALMESH_URL"
        )
        return f"the mesh's API at {self.url} {reason}: {remedy}"


def _without_reports(item: Object) -> Object:
    """An object as somebody wants it: without its status, and what the API server notes when that changes."""
    metadata = {name: value for name, value in item["metadata"].items() if name not in _NOTED}
    return {name: value for name, value in item.items() if name != "status"} | {"metadata": metadata}


def _reason(answer: Response) -> str:
    """Why the API refuses, in its own words if it has any."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.reason}: is this the API of a mesh?"
    return f"{answer.reason}: {message}"


def _is_status(answer: Response) -> bool:
    """Whether an answer is a Status object: the API's own word, not that of what it leads to."""
    try:
        return bool(answer.json()["kind"] == "Status")
    except (ValueError, KeyError, TypeError):
        return False
