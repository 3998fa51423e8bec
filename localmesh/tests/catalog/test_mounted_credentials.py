"""Certificates in files: what the manifests mount into a gateway's pods, else the files of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.cli.host_certificates import HostAuthority
from localmesh.manifests import load_text
from localmesh.tests.security.credentials import secret
from localmesh.translate import translate
from localmesh.translate.from_manifests import find, proxies
from localmesh.xds.secrets import system_file, with_existing_files

AUTHORITY = HostAuthority(1)
PAIR = AUTHORITY.issue(["shop.example.com"])
KEYS = {"tls.crt": PAIR.certificate, "tls.key": PAIR.private_key}
OWN_GATEWAY = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: istio-system}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}, annotations: {inject.istio.io/templates: gateway}}
    spec:
      containers:
        - {name: istio-proxy, image: auto, volumeMounts: [{name: certs, mountPath: /etc/front, subPath: tls}]}
      volumes:
        - name: certs
          secret:
            secretName: front
            items: [{key: tls.crt, path: tls/a.crt}, {key: tls.key, path: tls/a.key}]
"""


def gateway(selector: str, certificate: str, private_key: str) -> str:
    """A Gateway whose server has its certificate in files."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  selector: {{{selector}}}
  servers:
    - port: {{number: 443, name: https, protocol: HTTPS}}
      hosts: ["*"]
      tls: {{mode: SIMPLE, serverCertificate: {certificate}, privateKey: {private_key}}}
"""


@pytest.mark.parametrize(
    ("workload", "manifests", "is_mounted"),
    [
        (
            "istio-ingressgateway",
            gateway(
                "istio: ingressgateway",
                "/etc/istio/ingressgateway-certs/tls.crt",
                "/etc/istio/ingressgateway-certs/tls.key",
            )
            + secret("istio-ingressgateway-certs", KEYS),
            True,
        ),
        (
            "front",
            OWN_GATEWAY
            + gateway("app: front", "/etc/front/a.crt", "/etc/front/a.key")
            + secret("front", KEYS),
            True,
        ),
        (
            "front",
            OWN_GATEWAY
            + gateway("app: front", "/etc/front/tls.crt", "/etc/front/a.key")
            + secret("front", KEYS),
            False,
        ),
    ],
    ids=["of Istio's gateway", "of another", "not mounted"],
)
def test_the_files_of_a_server_are_those_that_its_pods_mount(
    workload: str, manifests: str, is_mounted: bool
) -> None:
    """By the volumes, items and sub-paths of the Deployment."""
    catalog, known = proxies(load_text(manifests).resources)

    (credential,) = catalog.credentials_of(find(known, workload))

    assert bool(credential.paths) is not is_mounted
    assert (credential.certificate, credential.private_key) == (
        (PAIR.certificate, PAIR.private_key) if is_mounted else (b"", b"")
    )


def test_secrets_of_files_that_do_not_exist_are_not_sent(tmp_path: Path) -> None:
    """Envoy would reject them; those of this machine are named, and so are the CAs that it trusts."""
    certificate, private_key = tmp_path / "a.crt", tmp_path / "a.key"
    manifests = gateway("istio: ingressgateway", str(certificate), str(private_key)) + RULE
    catalog, known = proxies(load_text(manifests).resources)
    secrets = translate(catalog, find(known, "istio-ingressgateway")).secrets
    system = {"name": "file-root:system", "validationContext": {"trustedCa": {"filename": system_file()}}}

    before = with_existing_files(secrets)
    certificate.touch()
    private_key.touch()
    after = with_existing_files(secrets)

    assert before == (system,)
    assert after == (
        {
            "name": f"file-cert:{certificate}~{private_key}",
            "tlsCertificate": {
                "certificateChain": {"filename": str(certificate)},
                "privateKey": {"filename": str(private_key)},
            },
        },
        system,
    )


RULE = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: outside, namespace: shop}
spec: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}
"""
