"""What the live page costs while it is open, and how long its first picture and a changed weight take.

The base application without requests. The first picture is drawn by a real browser; for the rest, the page is
a client that reads its events.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.rows import NOT_MEASURED, Row, at_most
from localmesh.runtime.workloads import FreePorts
from tests.browser import CHROMIUM, opened_browser

IDLE_SECONDS = 15
SETTLING_SECONDS = 3
BAR_FIRST_SECONDS, BAR_CHANGE_SECONDS = 1.0, 1.5
BAR_OPEN_PERCENT, BAR_CLOSED_PERCENT = 3.0, 1.0
ROUNDS = 5
_NOTICE = """
  window.firstNode = new Promise((resolve) => new MutationObserver((_, observer) => {
    if (!document.querySelector("#graph .node")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  }).observe(document, { childList: true, subtree: true }));
"""
"""Promises the milliseconds from the navigation until the first node has been drawn."""
LOCALMESH = Path(sys.executable).with_name("localmesh")


def measure() -> list[Row]:
    """Start the application, look at it, change a weight."""
    port = FreePorts().take()
    api = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, mesh(folder, port) as process:
        picture = first_picture(api)
        closed = idle_percent(process)
        with Events(api) as events:
            first = events.wait("state")
            opened = idle_percent(process)
            body = json.dumps({"kustomizations": [str(Path("istio/overlays/canary").resolve())]}).encode()
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(urllib.request.Request(f"{api}/mesh/apply", body, headers)).close()
            answered = time.monotonic()
            changed = max(0.0, events.wait("graph") - answered)  # the page may be the first to know
    return [
        picture,
        at_most("live page: first data", first - events.began, BAR_FIRST_SECONDS, "s", 2),
        at_most("  a changed weight, after the apply", changed, BAR_CHANGE_SECONDS, "s", 2),
        at_most("  localmesh without requests, page open", opened, BAR_OPEN_PERCENT, "% of a core", 1),
        at_most("  the same, page closed", closed, BAR_CLOSED_PERCENT, "% of a core", 1),
    ]


def first_picture(api: str) -> Row:
    """Measure how long the page takes from the navigation to the first node of the graph; the median."""
    what = "live page: first node drawn in a browser"
    if CHROMIUM is None:
        return Row(what, f"{NOT_MEASURED} chromium is not on the PATH")
    seconds = []
    with opened_browser() as browser:
        for _ in range(ROUNDS):
            page = browser.new_context().new_page()  # nothing is cached
            page.add_init_script(_NOTICE)
            page.goto(api)
            seconds.append(page.evaluate("window.firstNode") / 1000)
            page.context.close()
    return at_most(what, statistics.median(seconds), BAR_FIRST_SECONDS, "s", 2)


@contextmanager
def mesh(folder: str, port: int) -> Iterator[psutil.Process]:
    """The base application with its API on a port."""
    command = [LOCALMESH, "up", "-k", "istio/base", "--state", folder, "--end-with-parent"]
    ports = ["--gateway-port", "0", "--api-port", str(port)]
    process = subprocess.Popen([*command, *ports], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        if not any("Press Ctrl-C" in line for line in process.stderr):
            raise RuntimeError("the mesh did not start; run `make up` to see why")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def idle_percent(process: psutil.Process) -> float:
    """Return the CPU of localmesh alone, in percent of a core."""
    time.sleep(SETTLING_SECONDS)
    before = sum(process.cpu_times()[:2])
    time.sleep(IDLE_SECONDS)
    return 100 * (sum(process.cpu_times()[:2]) - before) / IDLE_SECONDS


class Events:
    """An open page: reads the events, and knows when each kind came last."""

    def __init__(self, api: str) -> None:
        self.began = time.monotonic()
        self._answer: Any = urllib.request.urlopen(f"{api}/mesh/live")
        self._came: dict[str, float] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._answer.close()

    def wait(self, name: str, seconds: float = 10) -> float:
        """Return when the first event of a kind came."""
        with self._news:
            if not self._news.wait_for(lambda: name in self._came, seconds):
                raise RuntimeError(f"no event {name} came in {seconds} s")
            return self._came[name]

    def _read(self) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed while it is read
            for line in self._answer:
                if line.startswith(b"event: "):
                    with self._news:
                        self._came.setdefault(line[7:].decode().strip(), time.monotonic())
                        self._news.notify_all()
