"""Services as their containers run them: starting, serving, rejecting requests, stopping."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import BinaryIO

import pytest
import requests
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import CollectorRegistry

from services.chassis import metrics_server, server
from services.chassis.server import Worker
from services.testing import ROOT, Launcher, Workload, command, environment, poll_until

pytestmark = pytest.mark.xdist_group("server")

SERVICES = ["frontend", "webapp", "logic", "feedback"]
SENTENCE = {"sentence": "What a fine day."}
HANG_SECONDS = 0.6


@pytest.fixture(scope="module")
def logic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """A running logic, for tests that do not change it."""
    with Launcher(tmp_path_factory.mktemp("logic")) as launch:
        yield launch("logic")


def talk(workload: Workload, *requests_: bytes) -> bytes:
    """Everything received on one connection after sending this, until the service closes it."""
    with socket.create_connection(("127.0.0.1", workload.port), timeout=10) as connection:
        for request in requests_:
            connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def problem_of(answer: bytes) -> tuple[str, dict[str, object]]:
    """Head and problem document of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return head.decode().lower(), json.loads(body)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_serves_metrics_and_stops(launch, service):
    """Readiness, metrics on the second port, a clean exit on SIGTERM, and JSON logs throughout."""
    workload = launch(service)

    answer = workload.get("/readyz")
    metrics = workload.metrics()
    status = workload.stop()

    assert answer.headers["served-by"] == f"{service}/v1/{service}-pod"
    assert f'sentimesh_service_info{{pod="{service}-pod",service="{service}",version="v1"}} 1.0' in metrics
    assert re.search(
        r'sentimesh_http_requests_total\{method="GET",route="/readyz",status="200"\} \d', metrics
    )
    assert "process_resident_memory_bytes" in metrics
    assert status == 0
    assert {line["service"] for line in workload.log()} == {service}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_without_a_collector_loads_no_opentelemetry(service):
    """Without spans there is no cost for them."""
    code = f"import sys; from services.{service}.app import create_app; create_app(); print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "flask" in loaded.stdout.split()
    assert not [name for name in loaded.stdout.split() if name.startswith("opentelemetry")]


def test_invalid_settings_exit_with_one_line_and_status_2(tmp_path):
    """Common variables and those of the service in one message, before any port is opened."""
    bad = {"PORT": "0", "LOG_LEVEL": "loud", "FAULT_ERROR_PERCENT": "150", "HANG_SECONDS": "long"}

    ended = subprocess.run(
        command("logic"),
        cwd=ROOT,
        env=environment(tmp_path, **bad),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("logic cannot start: ")
    assert all(name in line for name in bad)


def test_a_metrics_port_in_use_is_an_error_at_start(launch):
    """With the variable, the port and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        workload = launch("logic", wait=False, METRICS_PORT=port)

        assert workload.process.wait(30) == 1
        assert f"METRICS_PORT {port} on 127.0.0.1: Address already in use" in workload.log_file.read_text()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBig: " + b"x" * 62_000 + b"\r\n\r\n", 431),
        (
            b"POST /analyse/sentiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            400,
        ),
        (
            b"POST /analyse/sentiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 500\r\n\r\nshort",
            400,
        ),
    ],
    ids=["no request", "no header", "long address", "long header", "no chunk", "short body"],
)
def test_malformed_http_is_rejected_with_a_problem(logic, sent, status):
    """In the same form as other errors, with `served-by`."""
    head, problem = problem_of(talk(logic, sent))

    assert head.startswith(f"http/1.1 {status} ")
    assert problem["status"] == status
    assert "served-by: logic/v1/logic-pod" in head


def test_headers_that_other_servers_trust_change_nothing(logic):
    """What a client says of scheme and path is its own affair, also from this machine."""
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-SSL": "off",
        "Script_Name": "/x",
        "X-Forwarded-For": "?",
    }

    assert logic.get("/livez", headers=headers).status_code == 200


def ask_in_thread(workload: Workload, in_flight: int) -> threading.Thread:
    """Send a sentence without waiting for the answer, but until so many are under way."""
    thread = threading.Thread(target=workload.post, args=["/analyse/sentiment"], kwargs={"json": SENTENCE})
    thread.start()
    poll_until(
        lambda: workload.metric("sentimesh_http_requests_in_flight") == in_flight, f"{in_flight} to hang"
    )
    return thread


def test_a_hanging_request_does_not_delay_others(launch):
    """Readiness answers while a thread is free; metrics and liveness, on the second port, always do."""
    workload = launch("logic", FAULT_HANG_PERCENT=100, HANG_SECONDS=2, THREADS=2)
    hanging = [ask_in_thread(workload, 1)]

    probe = workload.get("/readyz")
    hanging.append(ask_in_thread(workload, 2))
    alive = requests.get(f"http://127.0.0.1:{workload.metrics_port}/livez", timeout=2)
    still = workload.metric("sentimesh_http_requests_in_flight")

    assert probe.elapsed.total_seconds() < 2
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert still == 2
    for thread in hanging:
        thread.join()


def test_an_idle_client_of_the_second_port_does_not_delay_probes(launch):
    """Each connection has its own thread."""
    workload = launch("logic")

    with socket.create_connection(("127.0.0.1", workload.metrics_port)):
        alive = requests.get(f"http://127.0.0.1:{workload.metrics_port}/livez", timeout=4)

    assert alive.ok


def test_more_connections_than_threads_are_all_served(launch):
    """A thread that waits on its connection does not starve others."""
    workload = launch("logic", THREADS=2)
    sessions = [requests.Session() for _ in range(6)]

    began = time.monotonic()
    for _ in range(5):
        for session in sessions:
            assert session.get(f"http://127.0.0.1:{workload.port}/livez", timeout=10).ok
    took = time.monotonic() - began

    for session in sessions:
        session.close()
    assert took < 5


def test_a_stopping_service_fails_readiness_and_keeps_serving(launch):
    """During the delay it serves further requests; then it exits."""
    workload = launch("logic", SHUTDOWN_DELAY_SECONDS=1)

    workload.process.send_signal(signal.SIGTERM)
    poll_until(lambda: workload.get("/readyz").status_code == 503, "readiness to fail")
    answer = workload.post("/analyse/sentiment", json=SENTENCE)

    assert answer.status_code == 200
    assert workload.process.wait(30) == 0


def test_a_request_in_progress_is_finished_before_the_exit(launch):
    """An accepted request is answered."""
    workload = launch("logic", FAULT_HANG_PERCENT=100, HANG_SECONDS=HANG_SECONDS)
    answers: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(workload.post("/analyse/sentiment", json=SENTENCE))
    )
    asking.start()
    poll_until(
        lambda: workload.metric("sentimesh_http_requests_in_flight") == 1, "the request to be under way"
    )

    status = workload.stop()
    asking.join()

    assert (status, answers[0].status_code) == (0, 500)


def read_head(answers: BinaryIO) -> list[bytes]:
    """The lines of the head of an answer, in lower case; raises if the connection ends before."""
    head = []
    while (line := answers.readline()) != b"\r\n":
        if not line:
            raise ConnectionError("no answer")
        head.append(line.lower())
    return head


def ask_until_refused(workload: Workload, lost: list[str], answered: list[int]) -> None:
    """Send requests over persistent connections, reopened when they close, until none can be opened."""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", workload.port), timeout=10)
        except ConnectionRefusedError:
            return
        with connection, connection.makefile("rb") as answers:
            while True:
                try:
                    connection.sendall(b"GET /about HTTP/1.1\r\nHost: x\r\n\r\n")
                    head = read_head(answers)
                except OSError as error:
                    lost.append(repr(error))
                    break
                answered.append(int(head[0].split()[1]))
                length = next(line for line in head if line.startswith(b"content-length:"))
                answers.read(int(length.split(b":")[1]))
                if b"connection: close\r\n" in head:
                    break


@pytest.mark.parametrize("connections", [4, 20])
def test_no_request_is_lost_while_a_service_stops(launch, connections):
    """Established connections are served, and new ones are refused at once: a proxy can handle both."""
    workload = launch("logic", THREADS=8)
    lost: list[str] = []
    answered: list[int] = []
    arguments = (workload, lost, answered)
    asking = [threading.Thread(target=ask_until_refused, args=arguments) for _ in range(connections)]
    for thread in asking:
        thread.start()
    poll_until(lambda: len(answered) > 200, "requests to flow")

    status = workload.stop()
    for thread in asking:
        thread.join()

    assert (status, lost, set(answered)) == (0, [], {200})


def test_requests_that_outlast_the_drain_do_not_delay_the_exit(launch):
    """The pod ends within its grace period, and with status 0."""
    workload = launch("logic", FAULT_HANG_PERCENT=100, HANG_SECONDS=60, DRAIN_SECONDS=0)
    with socket.create_connection(("127.0.0.1", workload.port)) as connection:
        body = json.dumps(SENTENCE).encode()
        head = f"POST /analyse/sentiment HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        poll_until(
            lambda: workload.metric("sentimesh_http_requests_in_flight") == 1, "the request to be under way"
        )

        assert workload.stop() == 0


def test_a_service_is_one_process(launch):
    """Nothing is forked that would take memory of its own."""
    pid = launch("logic").process.pid

    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker that has not started, and does not touch the signals of this process."""
    monkeypatch.setattr(ThreadWorker, "init_signals", lambda _: None)
    worker: Worker = Worker.__new__(Worker)
    worker.received = SimpleQueue()
    return worker


def test_a_sigterm_during_the_start_is_not_lost(worker, monkeypatch):
    """gunicorn queues signals until the worker handles them."""
    handled: list[int] = []
    monkeypatch.setattr(worker, "handle_exit", lambda sig, _: handled.append(sig))
    for sig in (signal.SIGHUP, signal.SIGTERM):
        worker.received.put(sig)

    worker.init_signals()

    assert handled == [signal.SIGTERM]


def test_liveness_fails_when_the_loop_is_stuck(worker, monkeypatch):
    """A loop that has not run for half a minute serves nobody; the platform restarts the container."""
    listener = metrics_server.listen("127.0.0.1", 0)
    metrics_server.serve(listener, CollectorRegistry(), worker.is_alive)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/livez"
    now = time.monotonic()
    answers = []

    worker.notify()
    for later in (0, 29, 32):
        monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda later=later: now + later))
        answers.append(worker.is_alive())
    stuck = requests.get(url, timeout=5)

    assert answers == [True, True, False]
    assert (stuck.status_code, stuck.json()) == (503, {"status": "stuck"})


def test_the_command_of_the_manifests_is_what_is_tested_here():
    """The Deployments start the services the same way."""
    for service in SERVICES:
        manifest = (ROOT / "k8s" / "base" / f"{service}.yaml").read_text()
        gunicorn = ", ".join(f'"{word}"' for word in ["gunicorn", *command(service)[3:]])
        assert f"command: [{gunicorn}]" in manifest
