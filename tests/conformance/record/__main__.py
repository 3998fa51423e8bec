"""`python -m tests.conformance.record [CASE…]`: records the cases anew, all of them if none is named.

Needs `kubectl` and `istioctl` on the PATH and a cluster with Istio in KUBECONFIG, with its ingress gateway
and with nothing of anyone else's in the mesh. Leaves the cluster as it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from localmesh.problems import ManifestError
from tests.conformance.case import Case, cases, matching
from tests.conformance.record.cluster import ClusterError
from tests.conformance.record.recorder import Recorder

PAUSE = "registry.k8s.io/pause:3.10"
"""An image that runs and does nothing."""


def main() -> int:
    """0 if all were recorded; 1 if the cluster failed; 2 for a case that does not exist or cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.record", description=__doc__)
    parser.add_argument("case", nargs="*", help="a case, or a pattern such as 'overlay-*'; all if none")
    parser.add_argument("--image", default=PAUSE, help=f"an image that runs and does nothing ({PAUSE})")
    parser.add_argument("--missing", action="store_true", help="only cases that have no recording yet")
    arguments = parser.parse_args()
    try:
        asked = {case for pattern in arguments.case for case in matching(pattern)} or set(cases())
        chosen = [each for each in cases() if each in asked]
        if arguments.missing:
            chosen = [each for each in chosen if not each.recorded.exists()]
        return _record(chosen, arguments.image)
    except (LookupError, ManifestError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _record(chosen: Sequence[Case], image: str) -> int:
    recorder = Recorder(image)
    failed = 0
    try:
        for case in chosen:
            begun = time.monotonic()
            try:
                recorder.record(case)
            except ClusterError as error:
                failed += 1
                sys.stderr.write(f"{case.name}: {error}\n")
            else:
                sys.stderr.write(f"{case.name}: {time.monotonic() - begun:.1f} s\n")
    finally:
        recorder.close()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
