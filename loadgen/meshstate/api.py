"""A client of the Kubernetes API, which localmesh serves, too; also from within a pod."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from loadgen.errors import NotReachable, Refused
from loadgen.http1 import Target
from loadgen.meshstate.gateway_api import virtual_services_of
from loadgen.meshstate.gateway_api_servers import gateways_of
from loadgen.meshstate.location import MeshLocation
from loadgen.meshstate.resources import Object, Resources
from loadgen.meshstate.security import last_change

if TYPE_CHECKING:
    from requests import Response

    from loadgen.meshstate.location import ServiceAccount

_METADATA_OF_CONTROLLERS = frozenset({"managedFields", "resourceVersion"})

_POD_PROXY = "/proxy/"
_INGRESS = "istio-ingressgateway"
_TLS_BESIDE = {80: 443, 8080: 8443}
"""The port for TLS beside that for HTTP: of the gateway's Service, and of its pods."""
_NETWORKING = "networking.istio.io/v1"
_ENVOY_FILTERS = "networking.istio.io/v1alpha3"
_SECURITY = "security.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"


class NoAnswerOfPod(Refused):
    """The connection of the API to a pod was refused or reset; the message says how."""


class MeshApi:
    """The API of a mesh for one namespace; a context manager, since it holds connections."""

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
        # HTTP_PROXY, in a pod or of a developer, is for the traffic of applications.
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
        """The JSON object at a path."""
        return self._get(path)

    def in_namespace(self, namespace: str) -> MeshApi:
        """The same API for another namespace."""
        return MeshApi(
            self.url,
            namespace,
            service_account=self._service_account,
            timeout_seconds=self._timeout_seconds,
        )

    def resources(self) -> Resources:
        """A snapshot of the namespace."""
        authorization_policies = self.objects(_SECURITY, "authorizationpolicies")
        request_authentications = self.objects(_SECURITY, "requestauthentications")
        http_routes = self._of_gateway_api("httproutes")
        return Resources(
            self.namespace,
            virtual_services=(
                *self._specified(_NETWORKING, "virtualservices"),
                *virtual_services_of(http_routes),
            ),
            destination_rules=self._specified(_NETWORKING, "destinationrules"),
            services=self._specified("v1", "services"),
            deployments=self._specified("apps/v1", "deployments"),
            authorization_policies=tuple(map(_as_specified, authorization_policies)),
            request_authentications=tuple(map(_as_specified, request_authentications)),
            peer_authentications=self._specified(_SECURITY, "peerauthentications"),
            sidecars=self._specified(_NETWORKING, "sidecars"),
            service_entries=self._specified(_NETWORKING, "serviceentries"),
            gateways=(
                *self._specified(_NETWORKING, "gateways"),
                *gateways_of(self._of_gateway_api("gateways"), http_routes),
            ),
            envoy_filters=self._specified(_ENVOY_FILTERS, "envoyfilters"),
            pods=self.objects("v1", "pods"),
            policies_changed=last_change((*authorization_policies, *request_authentications)),
        )

    def _of_gateway_api(self, kind: str) -> tuple[Object, ...]:
        """The objects of a kind; none on a cluster that does not have the Gateway API."""
        return self._specified(_GATEWAY_API, kind) if self.serves(_GATEWAY_API, kind) else ()

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the API has this kind: not every cluster has those of extensions.

        The API answers 404 in plain text, not with a Status object, for a group that it does not have.
        """
        path = f"/apis/{api_version}/namespaces/{self.namespace}/{kind}?limit=1"
        return self._exchange(path).status_code != HTTPStatus.NOT_FOUND

    def _specified(self, api_version: str, kind: str) -> tuple[Object, ...]:
        return tuple(map(_as_specified, self.objects(api_version, kind)))

    def pods(self, **labels: str) -> tuple[Object, ...]:
        """The pods with these labels, sorted by name."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        pods = self.objects("v1", "pods", f"?labelSelector={quote(selector)}")
        return tuple(sorted(pods, key=lambda pod: str(pod["metadata"]["name"])))

    def pod_text(self, pod: str, port: int, path: str) -> str:
        """The answer of a pod's declared port to GET, through the API's proxy."""
        return self._answer(self._pod_path(pod, port, path)).text

    def pod_answer(self, pod: str, port: int, path: str) -> tuple[int, str]:
        """Status and text of the answer of a pod's declared port to GET, whatever the status.

        Raises Refused where the API itself refuses (a Status object): that is not the pod's answer. It is
        NoAnswerOfPod where the connection was refused or reset.
        """
        answer = self._exchange(self._pod_path(pod, port, path))
        if answer.ok or not _is_status(answer):
            return answer.status_code, answer.text
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise NoAnswerOfPod(_reason(answer))
        raise self._refused(answer)

    def pod_refusal(self, pod: str, port: int, path: str) -> str | None:
        """Why a pod's declared port did not answer, in the API's words; None if it did.

        The API calls in plain text, from outside the mesh; its connection was refused or reset.
        """
        try:
            self.pod_answer(pod, port, path)
        except NoAnswerOfPod as refusal:
            return str(refusal)
        return None

    def pod_log(self, pod: Object, *, newest: int) -> str:
        """The newest lines of the log of a pod's application: the container that is not the sidecar."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/log"
        names = (str(container["name"]) for container in pod["spec"]["containers"])
        container = next(name for name in names if name != "istio-proxy")
        return self._answer(f"{path}?container={container}&tailLines={newest}").text

    def proxy_log(self, pod: str, *, newest: int) -> str:
        """The newest lines of the log of a pod's proxy."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return self._answer(f"{path}?container=istio-proxy&tailLines={newest}").text

    def pod_headers(self, pod: Object, port: int, path: str) -> Mapping[str, str]:
        """The headers of the answer of a pod's declared port to GET; names in any case."""
        return self._answer(self._pod_path(str(pod["metadata"]["name"]), port, path)).headers

    def _pod_path(self, pod: str, port: int, path: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}{_POD_PROXY}{path}"

    def gateway(self) -> str:
        """The URL of the ingress gateway, or of the only one, by localmesh (`GET /mesh`)."""
        mesh = self._get("/mesh")
        if mesh.get("ready") is False:
            raise NotReachable(
                f"the mesh at {self.url} is not ready yet: wait until `localmesh status` says so"
            )
        gateways = mesh.get("gateways")
        urls = {name: ports["http"] for name, ports in (gateways or {}).items() if "http" in ports}
        if _INGRESS not in urls and len(urls) != 1:
            raise NotReachable(
                f"the mesh at {self.url} names no ingress gateway: give its address with --gateway"
            )
        return str(urls[_INGRESS] if _INGRESS in urls else next(iter(urls.values())))

    def tls_gateway(self, gateway: Target) -> Target:
        """Where the gateway's port 443 is: by localmesh (`GET /mesh`), else at the same address.

        Whoever reaches the gateway at another address than localmesh names, such as a container of the
        mesh, reaches port 443 at that address, too.
        """
        try:
            gateways = self._get("/mesh").get("gateways") or {}
        except Refused:
            return replace(gateway, port=443)
        named = Target.from_url(self.gateway())
        if (gateway.host, gateway.port) != (named.host, named.port):
            return replace(gateway, port=_TLS_BESIDE.get(gateway.port, 443))
        urls = [ports["https-443"] for ports in gateways.values() if "https-443" in ports]
        if not urls:
            raise NotReachable(f"the mesh at {self.url} names no address of port 443 of a gateway")
        parts = urlsplit(str(urls[0]))
        return Target(str(parts.hostname), parts.port or 443)

    def location(self) -> MeshLocation:
        """The address and state folder of this localmesh (`GET /mesh`)."""
        try:
            folder = self._get("/mesh").get("stateFolder")
        except Refused:
            folder = None
        return MeshLocation(self.url, None if folder is None else str(folder))

    def objects(self, api_version: str, kind: str, query: str = "") -> tuple[Object, ...]:
        """The objects of a kind, given by its plural such as `authorizationpolicies`."""
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
            raise NotReachable(f"{self.url}{path} does not answer a JSON object: is this the API of a mesh?")
        return content

    def send(self, method: str, path: str, document: Object, *, media_type: str = "application/json") -> None:
        """Send a JSON document; raises Refused with the API's message if it is not accepted."""
        self._answer(path, method, json.dumps(document), media_type)

    def _answer(
        self, path: str, method: str = "GET", body: str | None = None, media_type: str | None = None
    ) -> Response:
        """A 2xx answer; raises Refused for any other, NotReachable for none."""
        answer = self._exchange(path, method, body, media_type)
        if not answer.ok:
            raise self._refused(answer)
        return answer

    def _exchange(
        self, path: str, method: str = "GET", body: str | None = None, media_type: str | None = None
    ) -> Response:
        """An answer of any status; raises NotReachable if there is none."""
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
        if late and _POD_PROXY in path:
            # Most plugins drop what a NetworkPolicy does not allow, so the API server gets no answer at all.
            pod = path.partition("/pods/")[2].partition(_POD_PROXY)[0]
            return f"{self.url} got no answer of pod {pod} in time: does a NetworkPolicy keep the API out?"
        reason = "does not answer in time" if late else "cannot be connected to"
        remedy = (
            "start a mesh with `make up`, call loadgen in the folder where yours was started, "
            "or name it with --mesh or LOCALMESH_URL"
        )
        return f"the mesh's API at {self.url} {reason}: {remedy}"


def _as_specified(item: Object) -> Object:
    """An object without its status and the metadata that the API server updates with it."""
    metadata = {
        name: value for name, value in item["metadata"].items() if name not in _METADATA_OF_CONTROLLERS
    }
    return {name: value for name, value in item.items() if name != "status"} | {"metadata": metadata}


def _reason(answer: Response) -> str:
    """Why the API refuses, by its message if there is one."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.reason}: is this the API of a mesh?"
    return f"{answer.reason}: {message}"


def _is_status(answer: Response) -> bool:
    """Whether an answer is a Status object: it comes from the API itself, not from the pod behind it."""
    try:
        return bool(answer.json()["kind"] == "Status")
    except (ValueError, KeyError, TypeError):
        return False
