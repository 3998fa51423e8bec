"""`python -m tests.conformance.record [CASE…]`: records the named cases, or all of them.

Requires `kubectl` and `istioctl` on the PATH, and in KUBECONFIG a cluster with Istio and its ingress gateway
but without other applications in the mesh. Leaves the cluster as it was.
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
"""An image whose container does nothing."""


def main() -> int:
    """Returns 0 if all cases were recorded, 1 if the cluster failed, 2 for unknown or unreadable cases."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.record", description=__doc__)
    parser.add_argument("case", nargs="*", help="a case, or a pattern such as 'overlay-*'; all if none")
    parser.add_argument("--image", default=PAUSE, help=f"an image whose container does nothing ({PAUSE})")
    parser.add_argument("--missing", action="store_true", help="only cases without a recording")
    arguments = parser.parse_args()
    try:
        requested = {case for pattern in arguments.case for case in matching(pattern)} or set(cases())
        chosen = [case for case in cases() if case in requested]
        if arguments.missing:
            chosen = [case for case in chosen if not case.recorded.exists()]
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
            started = time.monotonic()
            try:
                recorder.record(case)
            except ClusterError as error:
                failed += 1
                sys.stderr.write(f"{case.name}: {error}\n")
            else:
                sys.stderr.write(f"{case.name}: {time.monotonic() - started:.1f} s\n")
    finally:
        recorder.close()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
