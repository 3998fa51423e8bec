"""A run of kustomize, in the background: it takes 0.2 s, in which Python can import what comes next.

For this reason the module imports almost nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHOSEN = "SENTIMESH_KUSTOMIZE"
"""The environment variable that names the kustomize or kubectl to use."""
_GARBAGE_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
"""Variables of Go's runtime: a short run that collects no garbage below this size takes 30 % less CPU."""


@dataclass(frozen=True, slots=True)
class Built:
    """What kustomize has written, and the folder that the origins in its annotations are relative to."""

    succeeded: bool
    text: str
    errors: str
    folder: Path


class KustomizeBuild:
    """Builds a kustomization; every object of the result is annotated with its origin.

    The build starts at once if kustomize is installed and the folder exists.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = kustomize_program()
        self._wrapper: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        if self.program is not None and directory.is_dir():
            self._wrapper = tempfile.TemporaryDirectory(prefix="localmesh-kustomize-")
            self._process = self._start(self.program, self._folder)

    def __str__(self) -> str:
        return str(self.directory)

    def result(self) -> Built:
        """Waits for the end of the build, which must have started."""
        assert self._process is not None  # noqa: S101 - the caller has checked what a start needs
        assert self._wrapper is not None  # noqa: S101
        text, errors = self._process.communicate()
        folder = self._folder
        self._wrapper.cleanup()
        return Built(self._process.returncode == 0, text, errors, folder)

    @property
    def _folder(self) -> Path:
        assert self._wrapper is not None  # noqa: S101 - only used after the start
        return Path(self._wrapper.name).resolve()

    def _start(self, program: str, wrapper: Path) -> subprocess.Popen[str]:
        # The wrapper asks for origins, so that users need not change their kustomizations. kustomize
        # accepts only relative references, and writes origins relative to the wrapper.
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "buildMetadata": ["originAnnotations", "transformerAnnotations"],
            "resources": [os.path.relpath(self.directory.resolve(), wrapper)],
        }
        (wrapper / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        verb = "kustomize" if "kubectl" in Path(program).name else "build"
        return subprocess.Popen(
            [program, verb, str(wrapper)],
            env={**_GARBAGE_COLLECTION, **os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def kustomize_program() -> str | None:
    """The path of the kustomize or kubectl to use; None if there is none."""
    # After the PATH: `make` installs a kubectl here on machines that have none.
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    chosen = os.environ.get(CHOSEN)
    names = (chosen,) if chosen else ("kustomize", "kubectl")
    return next((path for name in names if (path := shutil.which(name, path=places))), None)
