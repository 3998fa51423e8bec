"""Where the API of the mesh is: of the local one by its state folder, of a cluster from within a pod."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

STATE_VARIABLE = "LOCALMESH_STATE"
STATE_FOLDER = ".localmesh"
DEFAULT_URL = "http://127.0.0.1:7080"
SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class MeshLocation:
    """The address of a mesh's API and, for a local mesh that reports it, its state folder."""

    api: str
    state_folder: str | None = None

    def __str__(self) -> str:
        known = self.state_folder is not None
        return f"{self.api}, localmesh with the state folder {self.state_folder}" if known else self.api


def local_url(environ: Mapping[str, str] = os.environ) -> str:
    """The API of the local mesh that runs with the state folder, or the default address.

    A running localmesh writes `mesh.json` into its state folder: `url` is its API, `pid` its process. The
    folder is LOCALMESH_STATE, by default `.localmesh` in the working folder.
    """
    folder = Path(environ.get(STATE_VARIABLE) or STATE_FOLDER)
    return _recorded_url(folder / "mesh.json") or DEFAULT_URL


def _recorded_url(file: Path) -> str | None:
    """The address in the file, unless its process ended without removing the file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        url, process = str(content["url"]), int(content["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return url if _is_running(process) else None


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # it runs as another user
    except (OSError, OverflowError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The API of the cluster that this pod runs in, and the folder with its authority and token.

    Kubernetes, "Accessing the Kubernetes API from a Pod": the address is in two environment variables, the
    kubelet mounts the files and renews them.
    """

    url: str
    folder: Path

    @classmethod
    def of_this_pod(
        cls, environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT_FOLDER
    ) -> ServiceAccount | None:
        """None outside of a pod, and in a pod without a token."""
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
        if not (host and port and (folder / "token").exists()):
            return None
        return cls(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", folder)

    def prepare(self, session: Session) -> None:
        """Make a session trust this API's authority, and no other, and send the token."""
        from requests.adapters import HTTPAdapter

        authority = str(self.folder / "ca.crt")
        trusted = ssl.create_default_context(cafile=authority)
        # The authorities of many clusters lack extensions that RFC 5280 requires and Python 3.13 checks.
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT

        class Adapter(HTTPAdapter):
            def init_poolmanager(self, *positional: Any, **named: Any) -> None:
                super().init_poolmanager(*positional, **named, ssl_context=trusted)

        session.mount(self.url, Adapter())
        session.verify = authority
        session.auth = self.sign

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token to a request; read each time, since it is replaced before it expires."""
        request.headers["authorization"] = f"Bearer {(self.folder / 'token').read_text().strip()}"
        return request
