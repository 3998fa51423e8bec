"""A stand-in for a mesh: its API serves the repository's manifests, its gateway only plays the application.

Nothing here routes: which version answers is drawn with the chances a test gives, so that a test can also
play a mesh that does not do what is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from loadgen.meshstate import Resources
from loadgen.tests.servers import Received, answer, json_answer, read_request, serving

REPOSITORY = Path(__file__).parents[2]
BASE = ("k8s/base/logic.yaml", "k8s/base/webapp.yaml", "k8s/base/feedback.yaml", "istio/base")
CANARY = "istio/overlays/canary/virtualservice-logic-80-20.yaml"
NAMESPACE = "sentimesh"
KINDS = {
    "virtualservices": "VirtualService",
    "destinationrules": "DestinationRule",
    "services": "Service",
    "deployments": "Deployment",
    "authorizationpolicies": "AuthorizationPolicy",
    "requestauthentications": "RequestAuthentication",
    "peerauthentications": "PeerAuthentication",
    "sidecars": "Sidecar",
    "serviceentries": "ServiceEntry",
    "envoyfilters": "EnvoyFilter",
    "gateways": "Gateway",
    "pods": "Pod",
}
"""The kinds of a snapshot by their plurals, in the order of the fields of Resources."""

Objects = list[dict[str, Any]]


def manifests(*paths: str) -> Objects:
    """The objects of YAML files (or folders of them), later ones replacing earlier ones of the same name."""
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    for path in paths:
        place = REPOSITORY / path
        files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
        for file in (file for file in files if not file.name.endswith(".test.yaml")):
            for item in copy.deepcopy(_documents(file)):
                if item["kind"] == "Kustomization":
                    continue
                item["metadata"].setdefault("namespace", NAMESPACE)
                objects[item["kind"], item["metadata"]["name"]] = item
    return list(objects.values())


@cache
def _documents(file: Path) -> Objects:
    return list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))


def base() -> Objects:
    """The application without an overlay: all of logic's traffic goes to v1."""
    return manifests(*BASE)


def canary(**weights: int) -> Objects:
    """The canary overlay, with its own weights or with those given by subset."""
    objects = manifests(*BASE, CANARY)
    if weights:
        logic_route(objects)["route"] = [
            {"destination": {"host": "logic", "subset": subset}, "weight": weight}
            for subset, weight in weights.items()
        ]
    return objects


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """One of the objects."""
    return next(item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name))


def logic_route(objects: Objects) -> dict[str, Any]:
    """The first route of the VirtualService for logic."""
    return named(objects, "VirtualService", "logic")["spec"]["http"][0]


def set_environment(objects: Objects, deployment: str, **variables: str) -> None:
    """Change a Deployment's environment."""
    container = named(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"][0]
    kept = [entry for entry in container["env"] if entry["name"] not in variables]
    container["env"] = kept + [{"name": name, "value": value} for name, value in variables.items()]


def resources(objects: Objects) -> Resources:
    """The objects as loadgen reads them."""
    lists = ([item for item in objects if item["kind"] == kind] for kind in KINDS.values())
    return Resources(NAMESPACE, *(tuple(copy.deepcopy(items)) for items in lists))


@dataclass
class StandInMesh:
    """The configuration that the stand-in reports (`objects`), and what its gateway does."""

    objects: Objects = field(default_factory=canary)
    versions: dict[str, float] = field(default_factory=lambda: {"v1": 0.8, "v2": 0.2})
    failing: dict[str, float] = field(default_factory=lambda: {"v1": 0.0, "v2": 0.65})
    hang_seconds: float = 0.002
    ready: bool = True
    seed: int = 1
    deaf: bool = False
    """Whether it never answers an apply of objects instead of an overlay."""
    url: str = ""
    state_folder: str | None = None
    received: list[Received] = field(default_factory=list)
    applied: list[dict[str, Any]] = field(default_factory=list)
    reported: list[dict[str, Any]] = field(default_factory=list)
    """The reports for the live page."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @contextlib.contextmanager
    def running(self) -> Iterator[StandInMesh]:
        """API and gateway on one port."""
        with serving(self._connection) as url:
            self.url = url
            yield self

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if request.method == "GET":
                writer.write(self._api(request.path))
            elif request.path == "/mesh/apply":
                self.applied.append(json.loads(request.body))
                if self.deaf and "text" in self.applied[-1]:
                    await reader.read()
                writer.write(json_answer(200, {}))
            elif request.path == "/mesh/proofs":
                self.reported.append(json.loads(request.body))
                writer.write(json_answer(200, {}))
            else:
                self.received.append(request)
                writer.write(await self._application(request))
            await writer.drain()

    def _api(self, path: str) -> bytes:
        if path == "/mesh":
            gateways = {"istio-ingressgateway": {"http": self.url}}
            folder = {} if self.state_folder is None else {"stateFolder": self.state_folder}
            return json_answer(200, {"gateways": gateways, "ready": self.ready, **folder})
        if path == "/mesh/manifests":
            return json_answer(200, {"text": json.dumps(self.objects)})
        *_, namespaces, namespace, kind = path.partition("?")[0].split("/")
        if namespaces != "namespaces" or kind not in KINDS:
            return json_answer(404, {"kind": "Status", "status": "Failure", "code": 404})
        items = [item for item in self.objects if item["kind"] == KINDS[kind] and namespace == NAMESPACE]
        return json_answer(200, {"kind": f"{KINDS[kind]}List", "items": items})

    async def _application(self, request: Received) -> bytes:
        assert (request.method, request.path) == ("POST", "/sentiment"), request
        (version,) = self._random.choices(list(self.versions), list(self.versions.values()))
        if self._random.random() >= self.failing.get(version, 0.0):
            return self._answer(200, version)
        if self._random.random() < 0.5:
            await asyncio.sleep(self.hang_seconds)
        return self._answer(502, version)

    def _answer(self, status: int, version: str) -> bytes:
        logic = f", logic/{version}/logic-{version}-1" if version else ""
        return answer(status, b"{}", f"served-by: webapp/v1/webapp-v1-1{logic}\r\n")
