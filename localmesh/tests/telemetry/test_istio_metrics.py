"""Istio's standard metrics out of the statistics of an Envoy."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from localmesh.catalog.peers import Peer
from localmesh.telemetry.istio_metrics import exposition, federated, istio_labels, samples, with_labels
from localmesh.translate.metrics import Reporter, Values

PRODUCTPAGE = Peer.of("productpage-v1", "default", {"app": "productpage", "version": "v1"})
RATINGS = Peer.of("ratings-v1", "default", {"app": "ratings", "version": "v1"})
HOST = "server.default.svc.cluster.local"
CLIENT_ID = "spiffe://cluster.local/ns/default/sa/client"
SERVER_ID = "spiffe://cluster.local/ns/default/sa/server"
PLAIN = Values(
    reporter=Reporter.SOURCE,
    own=str(PRODUCTPAGE),
    code="200",
    grpc_status="",
    flags="-",
    own_principal="",
    peer_principal="",
    cluster=f"outbound|80|v1|{HOST}",
    peer=str(RATINGS),
    authority="server:80",
)
RECEIVED = PLAIN._replace(
    reporter=Reporter.DESTINATION, own=str(RATINGS), peer=str(PRODUCTPAGE), authority=""
)
SECURE = RECEIVED._replace(own_principal=SERVER_ID, peer_principal=CLIENT_ID)

# What Istio's own tests expect of the same calls (istio/proxy: testdata/metric/*.yaml.tmpl); the names are
# those of istio.io, "Istio Standard Metrics". The revisions there are `version-1`, from a label of its own.
WORKLOADS = {
    "source_workload": "productpage-v1",
    "source_canonical_service": "productpage",
    "source_canonical_revision": "v1",
    "source_workload_namespace": "default",
    "source_app": "productpage",
    "source_version": "v1",
    "source_cluster": "Kubernetes",
    "destination_workload": "ratings-v1",
    "destination_canonical_service": "ratings",
    "destination_canonical_revision": "v1",
    "destination_workload_namespace": "default",
    "destination_app": "ratings",
    "destination_version": "v1",
    "destination_cluster": "Kubernetes",
    "destination_service": HOST,
    "destination_service_name": "server",
    "destination_service_namespace": "default",
}
NO_PRINCIPALS = {"source_principal": "unknown", "destination_principal": "unknown"}
PRINCIPALS = {"source_principal": CLIENT_ID, "destination_principal": SERVER_ID}
HTTP = {"request_protocol": "http", "response_code": "200", "grpc_response_status": "", "response_flags": "-"}
TCP = {"request_protocol": "tcp", "response_flags": "-"}
ISTIO_TESTS = [
    (
        "client_request_total",
        PLAIN,
        {**NO_PRINCIPALS, **HTTP, "reporter": "source", "connection_security_policy": "unknown"},
    ),
    (
        "client_request_total, gRPC",
        PLAIN._replace(grpc_status="7"),
        {
            **NO_PRINCIPALS,
            **HTTP,
            "request_protocol": "grpc",
            "grpc_response_status": "7",
            "reporter": "source",
            "connection_security_policy": "unknown",
        },
    ),
    (
        "server_request_total",
        RECEIVED,
        {**NO_PRINCIPALS, **HTTP, "reporter": "destination", "connection_security_policy": "none"},
    ),
    (
        "server_request_total, mTLS",
        SECURE,
        {**PRINCIPALS, **HTTP, "reporter": "destination", "connection_security_policy": "mutual_tls"},
    ),
    (
        "tcp_client_connection_open",
        PLAIN._replace(code="", own_principal=CLIENT_ID, peer_principal=SERVER_ID),
        {**PRINCIPALS, **TCP, "reporter": "source", "connection_security_policy": "unknown"},
    ),
    (
        "tcp_server_connection_open",
        SECURE._replace(code=""),
        {**PRINCIPALS, **TCP, "reporter": "destination", "connection_security_policy": "mutual_tls"},
    ),
]


@pytest.mark.parametrize(
    ("values", "labels"),
    [pytest.param(values, labels, id=name) for name, values, labels in ISTIO_TESTS],
)
def test_labels_are_those_of_istios_own_tests(values: Values, labels: dict[str, str]) -> None:
    """Each call has the labels that Istio's tests of its filter expect, no more and no fewer."""
    found = dict(istio_labels(str(values)) or ())

    assert found == {**WORKLOADS, **labels}


def test_what_is_not_known_is_unknown() -> None:
    """A caller without a proxy and a request that no route leads anywhere have labels, too."""
    stranger = dict(istio_labels(str(RECEIVED._replace(peer=""))) or ())
    lost = dict(istio_labels(str(PLAIN._replace(cluster="", peer="", code="404", flags="NR"))) or ())

    assert {stranger[f"source_{name}"] for name in ("workload", "app", "workload_namespace")} == {"unknown"}
    assert stranger["source_canonical_revision"] == "latest"
    assert (lost["destination_workload"], lost["response_flags"]) == ("unknown", "NR")
    assert lost["destination_service"] == "server:80"


def test_a_host_outside_the_mesh_is_named_after_the_cluster_of_istio() -> None:
    """The host of the request is the Service, `PassthroughCluster` its name."""
    labels = dict(
        istio_labels(str(PLAIN._replace(cluster="PassthroughCluster", authority="example.com", peer="")))
        or ()
    )

    assert labels["destination_service"] == "example.com"
    assert labels["destination_service_name"] == "PassthroughCluster"


def test_a_proven_namespace_counts_more_than_a_header() -> None:
    """A caller cannot claim another namespace than that of its certificate."""
    forged = SECURE._replace(peer=str(PRODUCTPAGE._replace(namespace="bank")))

    labels = dict(istio_labels(str(forged)) or ())

    assert labels["source_workload_namespace"] == "default"


@pytest.mark.parametrize("peer", ["", ";;;;;;;;;;;", "a b c d", 'x"y\\z', "source 200 - -", "é;ü"])
def test_any_header_gives_valid_lines(peer: str) -> None:
    """What a caller sends in place of its metadata does no more harm than to name the caller."""
    name = "envoy_istio_requests_total"
    raw = str(RECEIVED._replace(peer=peer)).replace("\\", "\\\\").replace('"', '\\"')

    text = exposition(f'# TYPE {name} counter\n{name}{{labels="{raw}"}} 1\n')

    [family] = list(text_string_to_metric_families(text))
    [sample] = family.samples
    assert sample.labels["destination_workload"] == "ratings-v1"
    assert sample.labels["response_code"] == "200"


def test_samples_that_differ_only_in_the_authority_are_one() -> None:
    """Callers may write the port of a Service or leave it out."""
    lines = [
        f'envoy_istio_requests_total{{labels="{PLAIN._replace(authority=name)}"}} {count}'
        for name, count in (("server", 2), ("server:80", 3), ("server.default", 4))
    ]

    [sample] = samples("\n".join(lines))

    assert (sample.name, sample.value) == ("istio_requests_total", 9)


def test_an_exposition_keeps_types_and_buckets() -> None:
    """Histograms stay histograms; other statistics of Envoy are passed on."""
    name = "envoy_istio_request_duration_milliseconds"
    text = (
        "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n"
        f'# TYPE {name} histogram\n{name}_bucket{{labels="{PLAIN}",le="0.5"}} 1\n'
        f'{name}_sum{{labels="{PLAIN}"}} 1.5\n{name}_count{{labels="{PLAIN}"}} 2\n'
    )

    lines = exposition(text).splitlines()

    assert lines[:3] == [
        "# TYPE envoy_server_live gauge",
        "envoy_server_live{} 1",
        "# TYPE istio_request_duration_milliseconds histogram",
    ]
    assert [line.partition("{")[0] for line in lines[3:]] == [
        f"istio_request_duration_milliseconds_{suffix}" for suffix in ("bucket", "sum", "count")
    ]
    assert 'le="0.5"} 1' in lines[3]


def test_pods_share_the_types_of_a_federation() -> None:
    """The samples of a metric are together, below its type, whichever pod they are from."""
    texts = ["# TYPE a counter\na 1\n# TYPE b counter\nb 2\n", '# TYPE a counter\na{x="y"} 3\n']

    merged = federated(with_labels(text, {"pod": f"p{n}"}) for n, text in enumerate(texts))

    assert merged.splitlines() == [
        *("# TYPE a counter", 'a{pod="p0"} 1', 'a{pod="p1",x="y"} 3'),
        *("# TYPE b counter", 'b{pod="p0"} 2'),
    ]
