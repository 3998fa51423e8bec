"""A rollout that takes itself back: `python docs/workshop/rollout.py [--at-least PERCENT] [--apply COMMAND]`.

It gives version 2 of logic more and more requests. At each step it asks the metrics of the mesh how many of
version 2's answers were good. Too few, and all requests go back to version 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter

from metrics import Requests, requests

STEPS = {
    10: "istio/overlays/canary/90-10",
    20: "istio/overlays/canary",
    50: "istio/overlays/canary/50-50",
}
BACK = "istio/base"
ENOUGH = 30
"""So many answers of version 2 decide about a step."""
SECONDS = 60.0


def main() -> int:
    """Go through the steps; the exit status is 1 after a rollback."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at-least", type=float, default=99.0, help="percentage of good answers")
    parser.add_argument("--apply", default="localmesh apply -k", help="the command that applies a folder")
    options = parser.parse_args()
    for percent, folder in STEPS.items():
        before = requests()
        subprocess.run([*options.apply.split(), folder], check=True, stdout=subprocess.DEVNULL)
        good, all_answers = measured(before)
        share = 100 * good / max(all_answers, 1)
        shown = f" ({share:.0f} %)" if all_answers else ""
        print(f"v2 gets {percent} %: {good} of {all_answers} answers were good{shown}", flush=True)
        if all_answers < ENOUGH or share < options.at_least:
            subprocess.run([*options.apply.split(), BACK], check=True, stdout=subprocess.DEVNULL)
            reason = (
                "too few requests to decide" if all_answers < ENOUGH else f"less than {options.at_least:g} %"
            )
            print(f"rolled back: {reason}")
            return 1
    print("v2 passed all steps")
    return 0


def measured(before: Counter[Requests]) -> tuple[int, int]:
    """Good and all answers of version 2 since then, as soon as there are enough, or after a minute."""
    end = time.monotonic() + SECONDS
    while True:
        new = requests() - before
        ours = {
            row: count for row, count in new.items() if (row.reporter, row.called) == ("source", "logic-v2")
        }
        good = sum(count for row, count in ours.items() if row.status < "500")
        if sum(ours.values()) >= ENOUGH or time.monotonic() > end:
            return good, sum(ours.values())
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
