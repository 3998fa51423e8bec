"""TLS towards a destination as a DestinationRule asks for it: modes SIMPLE and MUTUAL.

istiod: pilot/pkg/networking/core/cluster_tls.go, constructUpstreamTLS. With ISTIO_MUTUAL the proxies' own
certificates are used: see `localmesh.translate.tls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.catalog.credentials import (
    client_authority_name,
    client_certificate_name,
    is_public,
)
from localmesh.translate.formats import CREDENTIALS
from localmesh.translate.tls import CONTEXTS, TLS, VERSIONS

Json = dict[str, Any]
Settings = Mapping[str, Any]

MODES = frozenset({"SIMPLE", "MUTUAL"})
_MUTUAL = "MUTUAL"


def originates_tls(settings: Settings, *, gets_secrets: bool) -> bool:
    """Whether a cluster has TLS of its own.

    A proxy that gets no Secrets sends plain text where a `credentialName` is one, as in Istio.
    """
    if settings.get("mode") not in MODES:
        return False
    return gets_secrets or not settings.get("credentialName") or is_public(settings)


def client_socket(settings: Settings, names: Sequence[str], *, http2: bool) -> Json:
    """The transport socket; `names` are the SANs of the ServiceEntry, which count if the rule has none."""
    context: Json = {
        "@type": f"{CONTEXTS}.UpstreamTlsContext",
        "commonTlsContext": {
            "tlsParams": VERSIONS,
            **_certificate(settings),
            **_validation(settings, names),
            **({"alpnProtocols": ["h2"]} if http2 else {}),
        },
    }
    if settings.get("sni"):
        context["sni"] = settings["sni"]
    return {"name": TLS, "typedConfig": context}


def name_checks(settings: Settings) -> Json:
    """What Envoy takes from each request: the SNI if none is written, and the name that it must prove."""
    checks: Json = {}
    if not settings.get("sni"):
        checks["autoSni"] = True
        if not settings.get("subjectAltNames") and not settings.get("insecureSkipVerify"):
            checks["autoSanValidation"] = True
    return checks


def _certificate(settings: Settings) -> Json:
    if settings["mode"] != _MUTUAL:
        return {}
    name = client_certificate_name(settings)
    return {"tlsCertificateSdsSecretConfigs": [{"name": name, "sdsConfig": CREDENTIALS}]}


def _validation(settings: Settings, names: Sequence[str]) -> Json:
    if settings.get("insecureSkipVerify"):
        return {} if settings.get("credentialName") else {"validationContext": {}}
    allowed = settings.get("subjectAltNames") or names
    matchers = {"matchSubjectAltNames": [{"exact": name} for name in allowed]} if allowed else {}
    return {
        "combinedValidationContext": {
            "defaultValidationContext": matchers,
            "validationContextSdsSecretConfig": {
                "name": client_authority_name(settings),
                "sdsConfig": CREDENTIALS,
            },
        }
    }
