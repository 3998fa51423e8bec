"""`localmesh diagnose`: what it says about lines of an access log."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import asdict

import pytest

from localmesh.cli.commands import run
from localmesh.diagnose.diagnosis import diagnose, summarize
from localmesh.diagnose.reasons import REASONS
from localmesh.formats.access_log import LogEntry, parse
from localmesh.formats.response_flags import RESPONSE_FLAGS
from localmesh.translate.access_logs import JSON_FORMAT, TEXT_FORMAT

_OUTBOUND = "outbound|9080|v2|reviews.shop.svc.cluster.local"
_SERVER_NAME = "outbound_.9080_._.reviews.shop.svc.cluster.local"
_WITHOUT_CAUSE = {"LH", "IH", "OM", "DF", "DO", "NFCF", "RFCF"}
"""Flags that Istio's configuration does not produce, or whose meaning says all."""


def line(
    answer: str, details: str = "-", transport: str = "-", cluster: str = _OUTBOUND, server: str = "-"
) -> str:
    """A line in Istio's text format."""
    return (
        f'[2026-11-30T12:00:00.000Z] "GET /1?a=b HTTP/1.1" {answer} {details} - "{transport}" 0 159 3 - "-"'
        f' "curl/8" "8b1c" "reviews:9080" "10.0.0.7:9080" {cluster} -'
        f" 10.0.0.1:9080 10.0.0.2:4000 {server} default"
    )


def entry(text: str) -> LogEntry:
    found = parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (line("404 NR", "route_not_found", cluster="-"), "no route matches this host and path"),
        (line("0 NR", "filter_chain_not_found", cluster="-"), "no filter chain of the listener"),
        (line("503 NC", "cluster_not_found", cluster="-"), "a cluster that it does not have"),
        (line("503 UH", "no_healthy_upstream"), "no endpoint that may be used"),
        (
            line("503 URX,UF", "upstream_reset_before_response_started{x}", "delayed_connect_error:_111"),
            "reviews at 10.0.0.7:9080 refused the connection",
        ),
        (
            line("503 UF", "x", "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER"),
            "spoke TLS, and the other side did not",
        ),
        (
            line(
                "503 UF", "x", "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"
            ),
            "the certificate of reviews at 10.0.0.7:9080 is not accepted",
        ),
        (
            line("503 UF", "upstream_reset_before_response_started{connection_timeout}"),
            "within connectTimeout",
        ),
        (line("503 UC", "upstream_reset_before_response_started{connection_termination}"), "closed the conn"),
        (line("503 UO", "upstream_reset_before_response_started{overflow}"), "a circuit breaker is open"),
        (line("504 UT", "response_timeout"), "did not answer within the timeout of the route"),
        (line("504 UT", "upstream_per_try_timeout"), "longer than perTryTimeout"),
        (line("0 DC", "downstream_remote_disconnect"), "the client closed the connection"),
        (line("400 DPE", "http1.codec_error", cluster="-"), "not valid HTTP"),
        (
            line(
                "403 -", "rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]]", cluster="-"
            ),
            "denies the request: shop/deny-all, rule 0",
        ),
        (line("403 -", "rbac_access_denied_matched_policy[none]", cluster="-"), "none allows the request"),
        (line("401 -", "jwt_authn_access_denied{Jwt_is_expired}"), "the token is refused: Jwt is expired"),
        (line("403 UAEX", "ext_authz_denied"), "the external authorizer of a CUSTOM"),
        (line("403 UAEX", "ext_authz_error"), "the external authorizer could not be asked"),
        (line("500 FI", "fault_filter_abort"), "a fault of a VirtualService"),
        (line("502 -", "direct_response", cluster="BlackHoleCluster"), "may not leave it (REGISTRY_ONLY)"),
        (line("301 -", "direct_response", cluster="-"), "the route itself is the answer"),
        (line("500 -", "via_upstream"), "reviews.shop.svc.cluster.local answered this"),
        (line("500 -", "via_upstream", cluster="inbound|9080||"), "the application answered this itself"),
        (line("413 -", "request_payload_too_large"), "answered this itself: request_payload_too_large"),
        (line("503 -"), "answered this"),
    ],
)
def test_an_entry_is_explained(text: str, meaning: str) -> None:
    """The meaning follows from flags, details, the failure of the transport and the cluster."""
    assert meaning in diagnose(entry(text)).meaning


@pytest.mark.parametrize("flag", sorted(RESPONSE_FLAGS.keys() - _WITHOUT_CAUSE))
def test_every_flag_has_causes(flag: str) -> None:
    """Each flag that users of Istio meet leads to causes, and to something to look at."""
    diagnosis = diagnose(entry(line(f"503 {flag}", "-")))

    assert diagnosis.causes
    assert diagnosis.look


def test_texts_can_be_filled_in() -> None:
    """Every text names only what an entry has."""
    values = dict.fromkeys(
        (
            "host",
            "port",
            "subset",
            "service",
            "namespace",
            "cluster",
            "upstream",
            "authority",
            "path",
            "method",
        ),
        "x",
    ) | {"url": "x", "policy": "x", "token": "x"}

    for reason in REASONS:
        for text in (reason.meaning, *reason.causes, *reason.look):
            assert "{" not in text.format_map(values)


@pytest.mark.parametrize(
    "text",
    [
        f"[pod/web-1/istio-proxy] {line('503 UH', 'no_healthy_upstream')}",
        '[2019-01-01T12:00:00.000Z] "GET /1 HTTP/1.1" 503 UH "-" "-" 0 19 0 - "-" "curl" "8b1c"'
        f' "reviews:9080" "-" {_OUTBOUND} - 10.0.0.1:9080 10.0.0.2:4000 -',
        '[2026-11-30T12:00:00.000Z] "GET /1 HTTP/1.1" 503 UH 0 19 1 - "-" "curl" "8b1c" "reviews:9080" "-"',
        json.dumps(
            {"response_code": 503, "response_flags": "UH", "authority": "reviews:9080", "method": "GET"}
        ),
    ],
    ids=["with a prefix", "before Istio 1.9", "Envoy's default", "JSON"],
)
def test_all_formats_are_read(text: str) -> None:
    """Istio's text and JSON formats, Envoy's own, and what `kubectl logs --prefix` puts before them."""
    found = entry(text)

    assert (found.status, found.response_flags, found.authority) == (503, "UH", "reviews:9080")


def test_all_fields_of_the_proxies_own_formats_are_read() -> None:
    """What localmesh configures, as Istio does, is read; the text has all fields that the JSON has."""
    values = {name: str(number) for number, name in enumerate(JSON_FORMAT, start=100)}
    values["start_time"] = "2026-11-30T12:00:00.000Z"
    by_operator = {operator: values[name] for name, operator in JSON_FORMAT.items()}
    text = re.sub("%.*?%", lambda operator: by_operator[operator[0]], TEXT_FORMAT)

    assert asdict(entry(text)) == asdict(entry(json.dumps(values))) == values


def test_the_called_service_is_known_on_both_sides() -> None:
    """The caller's proxy names it in the cluster, the called one in the server name."""
    caller = diagnose(entry(line("503 UC"))).upstream
    called = diagnose(entry(line("503 UC", cluster="inbound|9080||", server=_SERVER_NAME))).upstream

    assert caller.host == called.host == "reviews.shop.svc.cluster.local"
    assert (caller.side.name, called.side.name) == ("CALLER", "CALLED")


def test_equal_failures_are_counted() -> None:
    """A log becomes one diagnosis for each kind of failure, the most frequent first."""
    lines = [line("503 UH"), line("200 -", "via_upstream"), line("504 UT"), "starting", "", line("503 UH")]

    summary = summarize(lines)

    assert [(found.entry.response_flags, count) for found, count in summary.failures] == [
        ("UH", 2),
        ("UT", 1),
    ]
    assert (summary.successful, summary.unknown) == (1, 1)


def test_the_command_explains_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The output says what happened, where, and what to do first."""
    status = run(["diagnose", line("503 URX,UF", "x", "delayed_connect_error:_111")])

    assert status == 0
    assert capsys.readouterr().out == (
        "GET reviews:9080/1?a=b: 503 URX,UF (UpstreamRetryLimitExceeded, UpstreamConnectionFailure)\n"
        "  reviews at 10.0.0.7:9080 refused the connection: nothing listens there\n"
        "  logged by the proxy of the caller: its sidecar, or a gateway\n"
        "  called reviews.shop.svc.cluster.local:9080, subset v2\n"
        "  answered by this proxy\n"
        "  usual causes:\n"
        "  - the targetPort of Service reviews is not a port of the container\n"
        "  - the pod is starting or stopping; retries on connect-failure, Istio's default, cover this\n"
        "  - a ServiceEntry has another port than the server\n"
        "  look first at:\n"
        "  - kubectl get endpointslices -n shop -l kubernetes.io/service-name=reviews\n"
        "  - istioctl proxy-config endpoints POD.NAMESPACE --cluster\n"
        '    "outbound|9080|v2|reviews.shop.svc.cluster.local"\n'
        "  more in docs/troubleshooting/uf.md\n"
    )


@pytest.mark.parametrize("broken", [" \\\n    ", "\n", "\n  "])
def test_a_line_that_was_broken_is_read(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a page breaks it with a backslash, or a terminal without; two entries stay two."""
    entry = line("503 UH", "no_healthy_upstream")

    status = run(["diagnose", "-o", "json", f"{entry.replace(' ', broken)}\n{entry}"])

    document = json.loads(capsys.readouterr().out)
    assert status == 0
    assert [(failure["flags"], failure["count"]) for failure in document["failures"]] == [(["UH"], 2)]
    assert document["unknownLines"] == 0


def test_the_command_reads_a_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an argument the log comes from standard input; bytes that are not UTF-8 do no harm."""
    log = io.TextIOWrapper(io.BytesIO(b"\xff\n" + line("503 UH", "no_healthy_upstream").encode()))
    monkeypatch.setattr(sys, "stdin", log)

    status = run(["diagnose", "-o", "json"])

    document = json.loads(capsys.readouterr().out)
    assert status == 0
    assert document["unknownLines"] == 1
    assert document["failures"][0]["flags"] == ["UH"]
    assert document["failures"][0]["loggedBy"] == "caller"
    assert document["failures"][0]["answeredByProxy"] is True


def test_what_is_no_log_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Text without an entry is wrong usage, and the message shows what an entry looks like."""
    status = run(["diagnose", "something else"])

    assert status == 2
    assert "no entry of an access log found" in capsys.readouterr().err
