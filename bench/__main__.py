"""Runs the benchmarks and prints one table: what, now, bar, peer, ratio.

What could not be measured is a row that says why. The exit status is 0 even if a bar is missed: times depend
on the machine. `python -m bench NAME …` runs some of the benchmarks.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from types import FrameType

from bench.rows import Machine, Row, not_measured, table

BENCHES = {
    "startup": "up to the first 200",
    "commands": "--version, validate, loading",
    "apply": "a changed weight, 12 proxies under load",
    "demo": "make demo: time and memory",
    "envoy_gateway": "one gateway: start and change beside Envoy Gateway's standalone mode",
    "live_page": "the live page: first picture and data, a changed weight, what it costs",
    "services": "webapp beside a bare Flask application",
    "loadgen_cpu": "loadgen beside hey and fortio",
    "translation": "1,000 Services and 20,000 hosts: loading, translating, encoding",
    "scale": "meshes of 1,000 and 3,000 Services: start, change, memory",
    "latency_honesty": "a target that stops, as loadgen reports it",
    "mtls": "what mTLS costs the Envoys",
    "telemetry": "what metrics, traces and logs cost the Envoys, and whether they are right",
}
"""The modules and what they measure."""
LONG = {"sizes": "the table of docs/performance.md: up to 3,000 Services and 60 proxies (takes many minutes)"}
"""Those that run only by name."""
LIMIT_SECONDS = 240
"""How long one benchmark may take."""
TOTAL_SECONDS = 600
"""How long all of them may take: those that are left then are not measured."""
_WRONG_USAGE, _INTERRUPTED = 2, 130


class TooSlowError(Exception):
    """A benchmark takes too long."""


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or all."""
    known = BENCHES | LONG
    if unknown := [name for name in names if name not in known]:
        print(f"there is no benchmark {', '.join(unknown)}; there are:", file=sys.stderr)
        print("\n".join(f"  {name:<16}{what}" for name, what in known.items()), file=sys.stderr)
        return _WRONG_USAGE
    machine = Machine.now()
    rows, interrupted = run(names) if names else run(BENCHES, total_seconds=TOTAL_SECONDS)
    print(f"\n{machine.state()}\n{table(rows)}")
    return _INTERRUPTED if interrupted else 0


def run(names: Iterable[str], total_seconds: float = math.inf) -> tuple[list[Row], bool]:
    """The rows of the benchmarks, and whether Ctrl-C ended them early."""
    rows: list[Row] = []
    deadline = time.monotonic() + total_seconds
    for name in names:
        began = time.monotonic()
        print(f"== {name}: {(BENCHES | LONG)[name]}", flush=True)
        try:
            rows += measured(name, deadline - began)
        except KeyboardInterrupt:
            return [*rows, not_measured(name, "interrupted")], True
        print(f"   took {time.monotonic() - began:.0f} s", flush=True)
    return rows, False


def measured(name: str, remaining_seconds: float = math.inf) -> list[Row]:
    """The rows of one benchmark; an error becomes a row."""
    if remaining_seconds <= 1:
        reason = f"the others took {TOTAL_SECONDS} s; try `make bench BENCH={name}`"
        return [not_measured(name, reason)]
    limit = min(math.inf if name in LONG else LIMIT_SECONDS, remaining_seconds)
    previous = signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, limit if math.isfinite(limit) else 0)
    try:
        return list(import_module(f"bench.{name}").measure())
    except TooSlowError:
        return [not_measured(name, f"it takes more than {limit:.0f} s")]
    except (Exception, SystemExit) as error:  # whatever it is, the other benchmarks run
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        return [not_measured(name, reason)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
