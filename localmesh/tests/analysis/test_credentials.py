"""Credentials that proxies do not get."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from localmesh.analysis import analyze_manifests
from localmesh.catalog.certificates import pair_fault
from localmesh.cli.host_certificates import HostAuthority
from localmesh.manifests import load_text
from localmesh.tests.security.credentials import secret, self_signed

AUTHORITY = HostAuthority(1)
PAIR = AUTHORITY.issue(["shop.example.com"])
OTHER = AUTHORITY.issue(["shop.example.com"])
KEYS = {"tls.crt": PAIR.certificate, "tls.key": PAIR.private_key}
COMPLETE = {**KEYS, "ca.crt": AUTHORITY.pair.certificate}
SERVER = "clients of these hosts cannot connect"

SERVICE_ENTRY = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: [outside.example.com]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
"""


def gateway(tls: str, selector: str = "ingressgateway") -> str:
    """A Gateway with one server."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  selector: {{istio: {selector}}}
  servers: [{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ["*"], tls: {{{tls}}}}}]
"""


SELECTED = "workloadSelector: {matchLabels: {app: web}}"


def rule(tls: str, selector: str = "") -> str:
    """A DestinationRule for a host outside."""
    return f"""{SERVICE_ENTRY}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: outside, namespace: shop}}
spec: {{host: outside.example.com, trafficPolicy: {{tls: {{{tls}}}}}{selector and ", "}{selector}}}
"""


def reasons(manifests: str) -> list[str]:
    """The field, the reason and the effect of each warning."""
    found = analyze_manifests(load_text(manifests))
    return [
        f"{warning.path[-1]}: {warning.message.partition(': ')[2]}"
        for warning in found
        if warning.code == "SM228"
    ]


SIMPLE = "mode: SIMPLE, credentialName: web"
MUTUAL = "mode: MUTUAL, credentialName: web"


@pytest.mark.parametrize(
    ("tls", "keys", "reason"),
    [
        (SIMPLE, KEYS, ""),
        (SIMPLE, {"cert": PAIR.certificate, "key": PAIR.private_key}, ""),
        (MUTUAL, COMPLETE, ""),
        (MUTUAL, KEYS, "has tls.crt and tls.key, and not ca.crt or cacert"),
        (SIMPLE, {"tls.crt": b"x"}, "has tls.crt, and not tls.crt and tls.key, or cert and key"),
        (SIMPLE, {**KEYS, "tls.crt": b"x"}, "its certificate is not a certificate in PEM"),
        (SIMPLE, {**KEYS, "tls.key": b"x"}, "its private key is not a key in PEM without a password"),
        (SIMPLE, {**KEYS, "tls.key": OTHER.private_key}, "its private key belongs to another certificate"),
        (MUTUAL, {**KEYS, "ca.crt": b"x"}, "its CA is not a certificate in PEM"),
        (
            "mode: SIMPLE, credentialName: kubernetes://shop/web",
            KEYS,
            "a proxy reads Secrets of its own namespace istio-system only",
        ),
    ],
)
def test_the_secret_of_a_server_is_there_and_usable(tls: str, keys: dict[str, bytes], reason: str) -> None:
    """In the namespace of the gateway's pods, with keys that Envoy accepts."""
    found = reasons(gateway(tls) + secret("web", keys))

    assert [text.endswith(f"{reason}; {SERVER}") for text in found] == ([True] if reason else [])


def test_each_field_of_a_server_that_names_a_credential_is_looked_up() -> None:
    """Also the CA of clients, by its own field or by the suffix of the first credential."""
    several = "mode: MUTUAL, credentialNames: [web, other], caCertCredentialName: clients-cacert"
    found = reasons(gateway(several) + secret("web", KEYS))

    assert found == [
        f"caCertCredentialName: there is no Secret istio-system/clients; {SERVER}",
        f"1: there is no Secret istio-system/other; {SERVER}",
    ]
    assert reasons(gateway("mode: ISTIO_MUTUAL")) == []


def test_files_of_a_server_are_mounted_or_on_this_machine(tmp_path: Path) -> None:
    """Istio's ingress gateway mounts the Secret istio-ingressgateway-certs if it exists."""
    mounted = "/etc/istio/ingressgateway-certs/tls"
    tls = f"mode: SIMPLE, serverCertificate: {mounted}.crt, privateKey: {mounted}.key"
    own = tmp_path / "own.pem"
    own.touch()

    assert reasons(gateway(tls) + secret("istio-ingressgateway-certs", KEYS)) == []
    assert len(reasons(gateway(tls))) == 2
    assert reasons(gateway(f"mode: SIMPLE, serverCertificate: {own}, privateKey: {own}")) == []


@pytest.mark.parametrize(
    ("manifests", "message"),
    [
        (
            rule("mode: SIMPLE, credentialName: web"),
            "no gateway runs, and sidecars get Secrets only with a workloadSelector; sidecars send plain text"
            " to outside.example.com",
        ),
        (
            rule("mode: MUTUAL, credentialName: web") + gateway("mode: ISTIO_MUTUAL", "egressgateway"),
            "there is no Secret istio-system/web; requests to outside.example.com get 503",
        ),
        (
            rule("mode: SIMPLE, credentialName: 'configmap://shop/roots'"),
            "there is no ConfigMap shop/roots; requests to outside.example.com get 503",
        ),
        (rule("mode: SIMPLE, caCertificates: /etc/certs/ca.crt"), ""),
        (rule("mode: ISTIO_MUTUAL, credentialName: web"), ""),
        (
            rule("mode: MUTUAL, credentialName: web")
            + gateway("mode: ISTIO_MUTUAL", "egressgateway")
            + secret("web", COMPLETE),
            "",
        ),
        (
            rule("mode: MUTUAL, credentialName: web", SELECTED),
            "there is no Secret shop/web; requests to outside.example.com get 503",
        ),
        (
            rule("mode: MUTUAL, credentialName: web", SELECTED)
            + secret("web", COMPLETE).replace("istio-system", "shop"),
            "",
        ),
    ],
    ids=[
        "no gateway",
        "no Secret",
        "no ConfigMap",
        "file",
        "mesh",
        "complete",
        "selected",
        "selected, there",
    ],
)
def test_the_credential_of_a_rule_is_one_of_its_callers(manifests: str, message: str) -> None:
    """Gateways get Secrets, and sidecars those of rules that select them; a ConfigMap is for everyone."""
    assert reasons(manifests) == ([f"credentialName: {message}"] if message else [])


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "its curve secp256k1 is not P-256, P-384 or P-521"),
        (rsa.generate_private_key(65537, 1024), "its key has 1024 bits, and 2048 are required"),
        (ec.generate_private_key(ec.SECP521R1()), ""),
    ],
    ids=["curve", "short", "P-521"],
)
def test_keys_that_envoy_rejects_have_a_fault(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, fault: str
) -> None:
    """Envoy takes RSA keys from 2048 bits on, and three curves."""
    pair = self_signed(key)

    assert pair_fault(pair.certificate, pair.private_key) == fault
