"""What a pod has to ask its cluster's API: the address, the authority that signed it, and a token.

The rule is Kubernetes' own ("Accessing the Kubernetes API from a Pod"): the address in two environment
variables, the rest in files that the kubelet mounts and renews.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The API of the cluster that this pod runs in, and the files to speak to it with."""

    url: str
    folder: Path

    @classmethod
    def of_this_pod(cls, environ: Mapping[str, str], folder: Path = FOLDER) -> ServiceAccount | None:
        """None outside of a pod, and in one that gets no token."""
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
        if not (host and port and (folder / "token").exists()):
            return None
        return cls(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", folder)

    def prepare(self, session: Session) -> None:
        """Let a session trust this API's authority, and no other, and carry the token."""
        from requests.adapters import HTTPAdapter

        authority = str(self.folder / "ca.crt")
        trusted = ssl.create_default_context(cafile=authority)
        # Many clusters' authorities lack what RFC 5280 wants of them and Python 3.13 demands.
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT

        class Adapter(HTTPAdapter):
            def init_poolmanager(self, *positional: Any, **named: Any) -> None:
                super().init_poolmanager(*positional, **named, ssl_context=trusted)

        session.mount(self.url, Adapter())
        session.verify = authority
        session.auth = self.sign

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """The request with the token; read each time, since it is replaced before it expires."""
        request.headers["authorization"] = f"Bearer {(self.folder / 'token').read_text().strip()}"
        return request
