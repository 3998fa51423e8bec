"""Cases of the scenarios about security, and about hosts outside the mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.scenarios import faults
from tests.scenarios.case import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Body,
    Case,
    Manifests,
    all_of,
    edit,
    edit_spec,
    only_base,
    without,
)

IMPOSTOR = "cluster.local/ns/sentimesh/sa/impostor"


def rule(policy: str, change: Callable[[Body], Any]) -> Callable[[Manifests], Manifests]:
    """An edit of the first rule of an AuthorizationPolicy."""
    return edit_spec("AuthorizationPolicy", policy, lambda spec: change(spec["rules"][0]))


def token_rules(change: Callable[[list[Body]], Any]) -> Callable[[Manifests], Manifests]:
    """An edit of the rules of feedback's AuthorizationPolicy."""
    return edit_spec("AuthorizationPolicy", "feedback", lambda spec: change(spec["rules"]))


def allow_everything(spec: Body) -> None:
    spec["outboundTrafficPolicy"]["mode"] = "ALLOW_ANY"


def permissive_feedback(spec: Body) -> None:
    """Instead of the exception for metrics, one for feedback."""
    spec.clear()
    spec.update(selector={"matchLabels": {"app": "feedback"}}, mtls={"mode": "PERMISSIVE"})


def call_other_host(spec: Body) -> None:
    environment = spec["template"]["spec"]["containers"][1]["env"]
    (url,) = (variable for variable in environment if variable["name"] == "LOGIC_URL")
    url["value"] = "http://other.example"


def other_claim(rules: list[Body]) -> None:
    rules[1]["when"][0] = {"key": "request.auth.claims[role]", "values": ["editor"]}


def another_group_reads_and_no_one_writes(rules: list[Body]) -> None:
    rules[1]["when"][0]["values"].append("not-moderator")
    del rules[0]


def without_failing_open(config_map: Body) -> None:
    """The error of an authorizer denies, whatever the policy's author wants."""
    config_map["data"]["mesh"] = config_map["data"]["mesh"].replace("failOpen: true", "failOpen: false")


EXT_AUTHZ = (
    Case(
        scenario="ext-authz",
        title="proxies ask no authorizer",
        fault=faults.without_custom_rules,
        checks={
            "an unknown user": FAIL,
            "header for the service": FAIL,
            "authorizer down: denied": FAIL,
            "authorizer down: admitted": PASS,
        },
    ),
    Case(
        scenario="ext-authz",
        title="all errors of authorizers deny",
        manifests=edit("ConfigMap", "istio", without_failing_open),
        fails_only=frozenset({"authorizer down: admitted"}),
    ),
)
TLS = (
    Case(
        scenario="tls",
        title="the gateway asks no client for a certificate",
        fault=faults.without_client_certificates,
        fails_only=frozenset({"partners, no certificate", "partners, a stranger's"}),
    ),
)
TLS_ORIGINATION = (
    Case(
        scenario="tls-origination",
        title="sidecars send plain text to hosts outside",
        fault=faults.without_tls_from_sidecars,
        fails_only=frozenset({"to judge.example", "TLS for judge.example"}),
    ),
    Case(
        scenario="tls-origination",
        title="calls do not pass the egress gateway",
        manifests=without("VirtualService", "panel"),
        fails_only=frozenset({"to panel.example", "TLS for panel.example"}),
    ),
)
AUTHORIZATION = (
    Case(scenario="authorization", title="the overlay", verdict=PASS),
    Case(
        scenario="authorization",
        title="the plain application",
        manifests=only_base,
        says="no AuthorizationPolicy",
    ),
    Case(
        scenario="authorization",
        title="no default policy: what has no policy of its own is open",
        manifests=without("AuthorizationPolicy", "default"),
        fails_only=frozenset({"gateway to frontend v2", "no identity to frontend"}),
    ),
    Case(
        scenario="authorization",
        title="two services without a policy: the default denies",
        manifests=without("AuthorizationPolicy", "logic", "feedback"),
        fails_only=frozenset({"webapp to logic", "gateway to feedback: POST"}),
    ),
    Case(
        scenario="authorization",
        title="three rules that allow too much",
        manifests=all_of(
            rule("logic", lambda first: first["from"][0]["source"]["principals"].append(IMPOSTOR)),
            rule("feedback", lambda first: first["to"][0]["operation"]["methods"].append("GET")),
            rule("frontend", lambda first: first.pop("from")),
        ),
        fails_only=frozenset({"impostor to logic", "gateway to feedback: GET", "no identity to frontend"}),
    ),
    Case(
        scenario="authorization",
        title="a rule of the default policy that allows everything",
        manifests=rule("default", lambda first: first.pop("to")),
        fails_where_expected="403",
    ),
    Case(
        scenario="authorization",
        title="proxies ignore policies",
        fault=faults.without_policies,
        fails_where_expected="403",
        checks={"webapp to logic": PASS},
    ),
)

JWT = (
    Case(scenario="jwt", title="the overlay", verdict=PASS),
    Case(
        scenario="jwt",
        title="a policy that asks for another claim",
        manifests=token_rules(other_claim),
        verdict=PASS,
        checks={"read, role editor": PASS},
    ),
    Case(scenario="jwt", title="the plain application", manifests=only_base),
    Case(
        scenario="jwt",
        title="tokens are validated, and no policy requires one",
        manifests=without("AuthorizationPolicy"),
        says="no AuthorizationPolicy",
    ),
    Case(
        scenario="jwt",
        title="a second rule that requires no token",
        manifests=token_rules(lambda rules: rules.append({"to": [{"operation": {"methods": ["GET"]}}]})),
        fails_only=frozenset(
            {
                "read, no token",
                "read, another group",
                "read, no group",
                "read past the gateway, no token",
            }
        ),
    ),
    Case(
        scenario="jwt",
        title="another group may read, and no one may write",
        manifests=token_rules(another_group_reads_and_no_one_writes),
        fails_only=frozenset({"read, another group", "write, no token"}),
    ),
    Case(
        scenario="jwt",
        title="proxies do not validate tokens",
        fault=faults.without_token_validation,
        checks={
            "read, group moderator": FAIL,
            "read, expired": FAIL,
            "write, expired": FAIL,
            "read, no token": PASS,
            "write, no token": PASS,
        },
    ),
)

MTLS_STRICT = (
    Case(scenario="mtls-strict", title="the plain application", manifests=only_base),
    Case(
        scenario="mtls-strict",
        title="the overlay",
        verdict=PASS,
        expects={"plain text to logic:8080": "refused", "plain text to logic:9102": "answered"},
    ),
    Case(
        scenario="mtls-strict",
        title="no exception for metrics, and one for feedback",
        manifests=edit_spec("PeerAuthentication", "metrics", permissive_feedback),
        verdict=PASS,
        expects={"plain text to logic:9102": "refused", "plain text to feedback:8080": "answered"},
    ),
    Case(
        scenario="mtls-strict",
        title="the exception without the policy",
        manifests=without("PeerAuthentication", "default"),
        checks={"ports that refuse plain text": FAIL},
        expects={"plain text to logic:8080": "answered"},
    ),
    Case(
        scenario="mtls-strict",
        title="proxies accept plain text",
        fault=faults.accept_plain_text,
        checks={
            "plain text to logic:8080": FAIL,
            "plain text to frontend:8080": FAIL,
            "failures inside the mesh": PASS,
            "caller of logic": PASS,
        },
    ),
)

EGRESS = (
    Case(
        scenario="egress",
        title="the overlay",
        verdict=PASS,
        expects={
            "to judge.example": "200 of webapp, logic",
            "to judge.outside.svc.cluster.local": "502 of webapp: logic answered 502",
        },
    ),
    Case(
        scenario="egress",
        title="an entry for another host, which is called",
        manifests=all_of(
            edit_spec("ServiceEntry", "judge", lambda spec: spec.update(hosts=["other.example"])),
            edit_spec("Deployment", "courier", call_other_host),
        ),
        verdict=PASS,
        expects={
            "to other.example": "200 of webapp, logic",
            "to judge.example": "502 of webapp: logic answered 502",
        },
    ),
    Case(scenario="egress", title="the plain application", manifests=only_base),
    Case(
        scenario="egress",
        title="no entry",
        manifests=without("ServiceEntry"),
        says="has a ServiceEntry",
    ),
    Case(
        scenario="egress",
        title="all hosts are allowed",
        manifests=edit_spec("Sidecar", "default", allow_everything),
        says="lets every call out",
    ),
    Case(
        scenario="egress",
        title="no one listens outside: that nothing arrives proves nothing",
        manifests=edit_spec("Deployment", "judge", lambda spec: spec.update(replicas=0)),
        verdict=INCONCLUSIVE,
        says="no pod of judge is ready",
    ),
    Case(
        scenario="egress",
        title="proxies send unknown hosts to the judge",
        fault=faults.pass_unknown_hosts_on,
        checks={
            "to judge.outside.svc.cluster.local": FAIL,
            "arrived outside": FAIL,
            "to judge.example": PASS,
            "to logic": PASS,
        },
    ),
    Case(
        scenario="egress",
        title="proxies do not know the entry",
        fault=faults.without_the_entry,
        checks={
            "to judge.example": FAIL,
            "arrived outside": FAIL,
            "to judge.outside.svc.cluster.local": PASS,
            "to logic": PASS,
        },
    ),
)

CASES = (*EXT_AUTHZ, *TLS, *TLS_ORIGINATION, *AUTHORIZATION, *JWT, *MTLS_STRICT, *EGRESS)
