"""Fails if a running mesh uses one of the given state folders, or a folder inside them."""

import sys
from pathlib import Path

try:
    from localmesh.cli.client import RunningMesh
except ImportError:  # an incomplete installation cannot run a mesh
    sys.exit(0)

for parent in map(Path, sys.argv[1:]):
    for folder in (parent, *sorted(path for path in parent.glob("*") if path.is_dir())):
        if running := RunningMesh.read(folder):
            sys.exit(
                f"a mesh is running with the state folder {folder} (process {running.pid}); "
                f"stop it with: .venv/bin/localmesh down --state {folder}"
            )
