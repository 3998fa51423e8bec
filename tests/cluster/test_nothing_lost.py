"""Pods are replaced under load: no request and no acknowledged write is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.cluster.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

WRITES, WRITES_PER_SECOND, WRITERS = 1000, 50, 16
_SECONDS_OF_LOAD = 60


def test_a_rolling_restart_loses_no_request(kube: Kube, gateway: str, base: Kube, tmp_path: Path) -> None:
    """webapp and logic are restarted twice at 100 requests per second; all requests are answered with 200."""
    summary = tmp_path / "summary.json"
    load = subprocess.Popen(
        [
            Path(sys.executable).with_name("loadgen"),
            *("run", gateway, "--rate", "100", "--duration", f"{_SECONDS_OF_LOAD}s"),
            *("--json", summary, "--no-live"),
        ],
        stdout=subprocess.DEVNULL,
    )
    before = {pod["metadata"]["name"] for pod in kube.pods("app in (webapp, logic)", "version=v1")}

    for _ in range(2):
        kube.in_namespace("rollout", "restart", "deployment/webapp-v1", "deployment/logic-v1")
        for name in ("webapp-v1", "logic-v1"):
            kube.in_namespace("rollout", "status", f"deployment/{name}", "--timeout=120s")
    under_load = load.poll() is None
    assert load.wait(timeout=2 * _SECONDS_OF_LOAD) == 0

    after = {pod["metadata"]["name"] for pod in kube.pods("app in (webapp, logic)", "version=v1")}
    seen = json.loads(summary.read_text())
    assert under_load, "the load ended before the second restart did"
    assert not before & after
    assert seen["statuses"] == {"200": 100 * _SECONDS_OF_LOAD}, seen
    assert seen["requests"]["lost"] == 0


def test_acknowledged_writes_are_stored_once(persistent_feedback: Kube, gateway: str) -> None:
    """The feedback pod is deleted during 1,000 writes; each one answered with 201 is stored once."""
    outcomes: Counter[str] = Counter()
    acknowledged: list[int] = []
    progress = threading.Semaphore(0)
    begin = time.monotonic()

    def write(number: int) -> None:
        time.sleep(max(0.0, begin + number / WRITES_PER_SECOND - time.monotonic()))
        document = {"sentence": f"sentence number {number}", "polarity": 0.5, "correct": True}
        try:
            answer = requests.post(f"{gateway}/feedback", json=document, timeout=10)
            outcomes[str(answer.status_code)] += 1
            if answer.status_code == 201:
                acknowledged.append(number)
        except requests.RequestException as error:
            outcomes[type(error).__name__] += 1
        progress.release()

    with ThreadPoolExecutor(WRITERS) as writers:
        writing = [writers.submit(write, number) for number in range(WRITES)]
        for _ in range(WRITES // 5):
            assert progress.acquire(timeout=30)
        deleted_at = WRITES // 5
        persistent_feedback.in_namespace("delete", "pod", "--selector=app=feedback", "--wait=false")
        for write_result in writing:
            write_result.result()
    persistent_feedback.wait_until_ready()

    entries = requests.get(f"{gateway}/feedback?limit={WRITES}", timeout=10).json()
    stored = Counter(int(entry["sentence"].split()[-1]) for entry in entries)
    print(f"outcomes of {WRITES} writes: {dict(outcomes)}; stored {stored.total()}")  # noqa: T201
    assert {number: stored[number] for number in acknowledged if stored[number] != 1} == {}
    assert set(stored.values()) == {1}
    assert len([number for number in acknowledged if number < deleted_at]) > deleted_at // 2
    assert len([number for number in acknowledged if number > deleted_at]) > WRITES // 5
