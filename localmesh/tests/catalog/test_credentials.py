"""What the name of a credential means for a proxy, and which keys count, as in istiod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from localmesh.catalog.config_data import ConfigData, ConfigKind
from localmesh.catalog.credentials import Credential, credential

SYSTEM = "istio-system"
TLS = {"tls.crt": b"a", "tls.key": b"b", "tls.ocsp-staple": b"c"}
GENERIC = {"cert": b"own", "key": b"own key"}
AUTHORITY = {"ca.crt": b"ca", "ca.crl": b"r"}
GENERIC_AUTHORITY = {"cacert": b"own", "crl": b"s"}
OF_TLS = Credential("", b"a", b"b", staple=b"c")
OF_GENERIC = Credential("", b"own", b"own key")


def data(
    keys: Mapping[str, bytes], name: str = "web", kind: ConfigKind = "Secret", namespace: str = SYSTEM
) -> ConfigData:
    """One Secret or ConfigMap."""
    return ConfigData({(kind, namespace, name): keys})


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("kubernetes://web", data(GENERIC | TLS), OF_GENERIC),
        ("kubernetes://web", data(TLS), OF_TLS),
        ("kubernetes://web", data({**GENERIC, **TLS, "key": b""}), OF_TLS),
        ("kubernetes://web", data({"tls.crt": b"a"}), None),
        ("kubernetes://istio-system/web", data(TLS), OF_TLS),
        ("kubernetes://shop/web", data(TLS, namespace="shop"), None),
        ("kubernetes-gateway://istio-system/web", data(TLS), OF_TLS),
        ("kubernetes-gateway://web", data(TLS), None),
        ("kubernetes://web-cacert", data(AUTHORITY), Credential("", authority=b"ca", revoked=b"r")),
        (
            "kubernetes://web-cacert",
            data(GENERIC_AUTHORITY | AUTHORITY),
            Credential("", authority=b"own", revoked=b"s"),
        ),
        ("kubernetes://web-cacert", data({"cacert": b"x"}, "web-cacert"), Credential("", authority=b"x")),
        ("kubernetes://web-cacert", data(TLS), None),
        (
            "configmap://shop/web-cacert",
            data({"ca.crt": b"ca"}, kind="ConfigMap", namespace="shop"),
            Credential("", authority=b"ca"),
        ),
        ("configmap://web", data(AUTHORITY, kind="ConfigMap"), None),
        ("vault://web", data(TLS), None),
    ],
)
def test_a_name_means_the_keys_of_a_secret_or_config_map(
    name: str, config: ConfigData, expected: Credential | None
) -> None:
    """The first complete pair of keys counts; Secrets of other namespaces are not read."""
    found = credential(config, name, SYSTEM)

    assert found == (expected and replace(expected, name=name))


def test_a_secret_of_the_ca_alone_hides_the_other() -> None:
    """Where it has no CA, that of the Secret without the suffix does not count."""
    entries = {("Secret", SYSTEM, "web"): {"ca.crt": b"ca"}, ("Secret", SYSTEM, "web-cacert"): {"x": b"y"}}

    assert credential(ConfigData(entries), "kubernetes://web-cacert", SYSTEM) is None
