"""Walks through the pages of the workshop on this machine: `make workshop`, `make workshop PAGE=04`.

Every command is executed as its page says, in a copy of the manifests; what it prints is compared with the
page. The mesh is a running one with the base, which the Makefile starts on free ports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import terminal
from tests.walk import PAGES, NotAsShownError, copy, walk

LOCALMESH = Path(sys.executable).with_name("localmesh")


def main(named: list[str]) -> int:
    """Walk through all pages, or those whose names start with one of these; the exit status."""
    pages = [page for page in PAGES if not named or page.name.startswith(tuple(named))]
    if not pages:
        print(f"there is no such page; there are: {' '.join(page.stem for page in PAGES)}", file=sys.stderr)
        return 2
    status = json.loads(subprocess.check_output((LOCALMESH, "status", "--json")))
    os.environ["GATEWAY"] = status["gateways"]["istio-ingressgateway"]["http"]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        for page in pages:
            if not walked(page, Path(folder)):
                return 1
    print(f"{len(pages)} pages, {time.monotonic() - begin:.0f} s: every command prints what its page shows")
    return 0


def walked(page: Path, folder: Path) -> bool:
    """Whether a page is right; prints that, or what is wrong."""
    begin = time.monotonic()
    with terminal(folder) as opened:
        try:
            walk(page, lambda line: (0, []) if line.startswith("make up") else opened.run(line))
        except NotAsShownError as error:
            print(f"{page.stem}  FAIL\n\n{error}")
            return False
    print(f"{page.stem:<28}  PASS  {time.monotonic() - begin:5.0f} s", flush=True)
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
