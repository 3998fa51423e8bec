"""Generated meshes of few names in few namespaces, so that most objects refer to each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
NAMESPACES = ("a", "b")
ROOT = "istio-system"
NETWORKING = "networking.istio.io/v1"


def manifest(api_version: str, kind: str, namespace: str, name: str, **rest: Any) -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **rest.pop("metadata", {})},
        **rest,
    }


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def _workload(namespace: str, app: str) -> Json:
    labels = {"app": app, "version": "v1"}
    containers = [{"name": "web", "image": "stub", "ports": [{"containerPort": 8080}]}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return manifest(
        "apps/v1",
        "Deployment",
        namespace,
        app,
        spec={"selector": {"matchLabels": labels}, "template": template},
    )


WORKLOADS = [_workload("a", "x"), _workload("a", "y"), _workload("b", "x")]


def _service(namespace: str, name: str, *numbers: int) -> Json:
    ports = [{"name": f"http-{number}", "port": number} for number in numbers]
    return manifest("v1", "Service", namespace, name, spec={"selector": {"app": name}, "ports": ports})


SOUND = [
    _service("a", "x", 80, 8080),
    _service("a", "y", 80),
    _service("b", "x", 80),
    *(
        manifest(
            NETWORKING,
            "DestinationRule",
            namespace,
            name,
            spec={
                "host": f"{name}.{namespace}.svc.cluster.local",
                "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
            },
        )
        for namespace, name in (("a", "x"), ("a", "y"), ("b", "x"))
    ),
]
"""Services and subsets to which many of the generated routes lead, where nothing generated replaces them."""

export_to = st.sampled_from([["."], ["*"], ["a"], ["b"], ["a", "b"]])
ports = st.sampled_from(
    [
        [{"name": "http", "port": 80}],
        [{"name": "http", "port": 8080}],
        [{"name": "http", "port": 80}, {"name": "http-alt", "port": 8080}],
        [{"name": "any", "port": 8080}],
        [{"name": "tcp", "port": 80}],
        [{"name": "udp", "port": 80, "protocol": "UDP"}, {"name": "http", "port": 8080}],
    ]
)


@st.composite
def services(draw: st.DrawFn) -> Json:
    namespace, name = draw(st.sampled_from(NAMESPACES)), draw(st.sampled_from(["x", "y"]))
    exported = draw(st.sampled_from(["", "", ".", "a", "b"]))
    annotations = {"networking.istio.io/exportTo": exported} if exported else {}
    spec = {"selector": {"app": name}, "ports": draw(ports)}
    return manifest("v1", "Service", namespace, name, metadata={"annotations": annotations}, spec=spec)


@st.composite
def service_entries(draw: st.DrawFn) -> Json:
    number = draw(st.sampled_from([80, 8080]))
    spec = {
        "hosts": draw(st.sampled_from([["api.example.com"], ["*.example.com"]])),
        "ports": [{"number": number, "name": "http", "protocol": "HTTP"}],
        "resolution": "NONE",
        **draw(some_of(exportTo=export_to)),
    }
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "ServiceEntry", namespace, draw(st.sampled_from(["e", "f"])), spec=spec)


subsets = st.lists(st.sampled_from(["v1", "v2"]), unique=True, max_size=2).map(
    lambda names: [{"name": name, "labels": {"version": name}} for name in names]
)
destination_hosts = st.sampled_from(
    [
        "x",
        "x",
        "x.a.svc.cluster.local",
        "x.b.svc.cluster.local",
        "y",
        "x.a.svc.cluster.local",
        "y.a.svc.cluster.local",
        "x.b.svc.cluster.local",
        "x.a",
        "api.example.com",
        "www.example.com",
    ]
)
rule_hosts = st.one_of(
    destination_hosts,
    st.sampled_from(["*.a.svc.cluster.local", "*.local", "*.example.com", "*.www.example.com", "*"]),
)


@st.composite
def destination_rules(draw: st.DrawFn) -> Json:
    spec = {
        "host": draw(rule_hosts),
        "subsets": draw(subsets),
        **draw(some_of(exportTo=export_to)),
    }
    namespace = draw(st.sampled_from([*NAMESPACES, *NAMESPACES, ROOT]))
    return manifest(NETWORKING, "DestinationRule", namespace, draw(st.sampled_from("rst")), spec=spec)


destinations = st.builds(
    dict,
    st.fixed_dictionaries(
        {"host": destination_hosts},
        optional={
            "subset": st.sampled_from(["v1", "v1", "v2"]),
            "port": st.sampled_from([{"number": 80}, {"number": 8080}]),
        },
    ),
)
matches = some_of(
    uri=st.sampled_from([{"prefix": "/a"}, {"prefix": "/"}, {"exact": "/a"}, {"regex": ".*"}]),
    headers=st.just({"end-user": {"exact": "tester"}}),
    port=st.sampled_from([80, 8080]),
    gateways=st.sampled_from([["mesh"], ["a/edge"], ["mesh", "a/edge"]]),
    sourceLabels=st.sampled_from([{"app": "x"}, {"app": "y"}]),
    sourceNamespace=st.sampled_from(NAMESPACES),
).map(lambda match: match or {"uri": {"prefix": "/b"}})


@st.composite
def routes(draw: st.DrawFn, *, delegating: bool) -> Json:
    route: Json = draw(some_of(match=st.lists(matches, min_size=1, max_size=2)))
    if delegating and draw(st.sampled_from([False, False, True])):
        name = draw(st.sampled_from(["d", "e"]))
        return {**route, "delegate": {"name": name, "namespace": draw(st.sampled_from(NAMESPACES))}}
    targets = draw(st.lists(destinations, min_size=1, max_size=2))
    weights = draw(st.sampled_from([(80, 20), (0, 100), (50, 50)]))
    weighted = [
        {"destination": target, "weight": weight} for target, weight in zip(targets, weights, strict=False)
    ]
    route["route"] = weighted if len(targets) > 1 else [{"destination": targets[0]}]
    mirror = draw(st.sampled_from(["", "", "mirror", "mirrors"]))
    if mirror == "mirror":
        route["mirror"] = draw(destinations)
    elif mirror:
        percentage = draw(st.sampled_from([{}, {"percentage": {"value": 10}}, {"percentage": {"value": 0}}]))
        route["mirrors"] = [{"destination": draw(destinations), **percentage}]
    return route


virtual_service_hosts = st.lists(
    st.sampled_from(
        [
            "x",
            "y",
            "x.a.svc.cluster.local",
            "x.b.svc.cluster.local",
            "*.a.svc.cluster.local",
            "*.local",
            "api.example.com",
            "*.example.com",
            "shop.test",
        ]
    ),
    min_size=1,
    max_size=2,
    unique=True,
)
gateways = st.sampled_from(
    [["mesh"], ["mesh"], ["a/edge"], ["a/edge", "mesh"], ["./edge"], ["edge.a.svc", "mesh"]]
)


@st.composite
def virtual_services(draw: st.DrawFn) -> Json:
    spec = {
        "hosts": draw(virtual_service_hosts),
        "http": draw(st.lists(routes(delegating=True), min_size=1, max_size=3)),
        **draw(some_of(exportTo=export_to, gateways=gateways)),
    }
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "VirtualService", namespace, draw(st.sampled_from("vw")), spec=spec)


@st.composite
def delegates(draw: st.DrawFn) -> Json:
    spec = {
        "http": draw(st.lists(routes(delegating=False), min_size=1, max_size=2)),
        **draw(some_of(exportTo=export_to)),
    }
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "VirtualService", namespace, draw(st.sampled_from(["d", "e"])), spec=spec)


@st.composite
def sidecars(draw: st.DrawFn) -> Json:
    hosts = st.sampled_from(
        ["./*", "*/*", "a/*", "b/x.b.svc.cluster.local", "*/x.a.svc.cluster.local", "~/*"]
    )
    spec: Json = {"egress": [{"hosts": draw(st.lists(hosts, min_size=1, max_size=2, unique=True))}]}
    namespace = draw(st.sampled_from([*NAMESPACES, ROOT]))
    name = "all"
    if namespace != ROOT and draw(st.booleans()):
        name, spec["workloadSelector"] = "one", {"labels": {"app": "x"}}
    return manifest(NETWORKING, "Sidecar", namespace, name, spec=spec)


@st.composite
def edges(draw: st.DrawFn) -> Json:
    hosts = st.sampled_from([["*"], ["a/*"], ["*.example.com"], ["*/shop.test"], ["./*"]])
    servers = [
        {"port": {"number": number, "name": f"http-{number}", "protocol": "HTTP"}, "hosts": draw(hosts)}
        for number in draw(st.sampled_from([[80], [8080], [80, 8080]]))
    ]
    return manifest(
        NETWORKING,
        "Gateway",
        "a",
        "edge",
        spec={"selector": {"istio": "ingressgateway"}, "servers": servers},
    )


def unique(objects: Iterable[Json]) -> list[Json]:
    """The first object of each kind, namespace and name."""
    first: dict[tuple[str, str, str], Json] = {}
    for item in objects:
        metadata = item["metadata"]
        first.setdefault((item["kind"], metadata["namespace"], metadata["name"]), item)
    return list(first.values())


def several(strategy: st.SearchStrategy[Json], most: int, *, least: int = 0) -> st.SearchStrategy[list[Json]]:
    return st.lists(strategy, min_size=least, max_size=most)


meshes: st.SearchStrategy[list[Json]] = st.tuples(
    st.just(WORKLOADS),
    st.sampled_from([SOUND, SOUND, []]),
    several(services(), 4),
    several(service_entries(), 2),
    several(destination_rules(), 4),
    several(virtual_services(), 3, least=1),
    several(delegates(), 2),
    several(sidecars(), 1),
    several(edges(), 1),
).map(lambda groups: unique(item for group in (*groups[2:], *groups[:2]) for item in group))


def text(mesh: Iterable[Json]) -> str:
    """The mesh as manifests."""
    return "\n---\n".join(json.dumps(item) for item in mesh)
