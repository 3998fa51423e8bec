"""What a pod has to ask its cluster's API: the address, the authority that signed it, and a token.

The rule is Kubernetes' own ("Accessing the Kubernetes API from a Pod"): the address in two environment
variables, the rest in files that the kubelet mounts and renews.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import PreparedRequest

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

    @property
    def authority(self) -> str:
        """The file with the certificates that the API's own must come from."""
        return str(self.folder / "ca.crt")

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """The request with the token; read each time, since it is replaced before it expires."""
        request.headers["authorization"] = f"Bearer {(self.folder / 'token').read_text().strip()}"
        return request
