"""The mesh for live requests: the same configuration, with stubs in place of the applications.

A stub answers with the request as it arrived. RequestAuthentications accept one more key, with which the
tokens are signed whose claims a case names.
"""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from localmesh.catalog.workload import workload
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.kinds.workloads import WORKLOADS
from localmesh.manifests import Resource

_KEY_ID = "localmesh-test"
_SIZE = 32
"""Bytes of a coordinate of the curve P-256."""
_LIFETIME_SECONDS = 3600


class Signer:
    """Signs tokens with a key that exists only as long as this object."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        """The public key as a JSON Web Key."""
        numbers = self._key.public_key().public_numbers()
        coordinates = {"x": _number(numbers.x), "y": _number(numbers.y)}
        return {"kty": "EC", "crv": "P-256", "kid": _KEY_ID, "alg": "ES256", "use": "sig", **coordinates}

    def token(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, signed with ES256 (RFC 7518, 3.4); it is valid for an hour."""
        header = {"alg": "ES256", "kid": _KEY_ID, "typ": "JWT"}
        payload = {"exp": int(time.time()) + _LIFETIME_SECONDS, **claims}
        signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(payload).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_part(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"


def _number(value: int) -> str:
    return _part(value.to_bytes(_SIZE, "big"))


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def with_stand_ins(resources: Iterable[Resource], signer: Signer) -> Iterator[Resource]:
    """The objects with stubs, one pod of each workload, and with the key of the signer."""
    for resource in resources:
        if any(map(resource.is_a, WORKLOADS)) and not workload(resource).is_gateway:
            yield replace(resource, body=_with_stubs(resource.body))
        elif resource.is_a(REQUEST_AUTHENTICATION):
            yield replace(resource, body=_with_key(resource.body, signer.jwk()))
        else:
            yield resource


def _with_stubs(written: Mapping[str, Any]) -> Mapping[str, Any]:
    body = copy.deepcopy(dict(written))
    spec = body["spec"]
    if "replicas" in spec:
        spec["replicas"] = min(spec["replicas"], 1)
    pod = spec["template"]["spec"] if "template" in spec else spec
    pod["containers"] = [
        {name: container[name] for name in ("name", "image", "ports") if name in container}
        for container in pod["containers"]
    ]
    for name in ("volumes", "initContainers"):
        pod.pop(name, None)
    return body


def _with_key(authentication: Mapping[str, Any], key: Mapping[str, str]) -> Mapping[str, Any]:
    body = copy.deepcopy(dict(authentication))
    for rule in (body.get("spec") or {}).get("jwtRules") or ():
        keys = json.loads(rule["jwks"])
        rule["jwks"] = json.dumps({**keys, "keys": [*keys["keys"], key]})
    return body
