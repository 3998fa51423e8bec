"""Records the answers of the cluster in KUBECONFIG to all cases, with dry runs that change nothing.

python -m tests.conformance.invalid.record
"""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from tests.conformance.invalid.answers import ANSWERS, Case, cases


def main() -> None:
    """Records all cases."""
    with ThreadPoolExecutor(4) as pool:
        answers = dict(pool.map(_answer, cases()))
    text = yaml.safe_dump({"versions": versions(), "answers": answers}, width=110, sort_keys=False)
    ANSWERS.write_text(text, encoding="utf-8")
    accepted = sum(answer["accepted"] for answer in answers.values())
    print(f"{len(answers)} answers of {versions()}: {accepted} accepted")  # noqa: T201 - the output of the command


def versions() -> dict[str, str]:
    """The versions of the cluster."""
    return {"kubernetes": _kubernetes(), "istio": _istio()}


def _answer(case: Case) -> tuple[str, dict[str, Any]]:
    finished = _kubectl("apply", "--dry-run=server", "--namespace=default", "-f", str(case.path))
    if finished.returncode == 0:
        return case.name, {"accepted": True}
    words = finished.stderr.strip().replace(str(case.path), case.path.name)
    return case.name, {"accepted": False, "words": words}


def _kubernetes() -> str:
    version = json.loads(_kubectl("version", "-o", "json").stdout)
    return str(version["serverVersion"]["gitVersion"]).removeprefix("v")


def _istio() -> str:
    """The version of Istio, from the image of the control plane."""
    images = _kubectl(
        *("get", "deployment", "istiod", "-n", "istio-system"),
        *("-o", "jsonpath={.spec.template.spec.containers[*].image}"),
    ).stdout
    tag = re.search(r":(\d+\.\d+[.\d]*)", images)
    return tag[1] if tag else "unknown"


def _kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
