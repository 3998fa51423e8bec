"""Refuse, with the process, if a mesh keeps its state in one of these folders, or in a folder in them."""

import sys
from pathlib import Path

try:
    from localmesh.cli.client import RunningMesh
except ImportError:  # half an installation runs no mesh
    sys.exit(0)

for parent in map(Path, sys.argv[1:]):
    for folder in (parent, *sorted(path for path in parent.glob("*") if path.is_dir())):
        if running := RunningMesh.read(folder):
            sys.exit(
                f"a mesh runs with the state folder {folder} (process {running.pid}): stop it first, "
                f"with .venv/bin/localmesh down --state {folder}"
            )
