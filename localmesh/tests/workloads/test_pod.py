"""Pods, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import Resource
from localmesh.problems import ManifestError
from localmesh.runtime.workloads import Pod, PodFailedError, PodState, container_supervisor
from localmesh.runtime.workloads import pod as pod_module

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Until = Callable[..., Awaitable[None]]
MakeWorkload = Callable[..., Workload]

WEB = [{"name": "http", "containerPort": 8080}]
PROGRAM = [
    "python",
    "-I",
    "-S",
    "-c",
    """if True:
    import os, signal, sys
    def say(*_):
        log = os.environ.get("LOG")
        if log:
            print(open(log).read(), end="")
        sys.exit(print(sys.argv[1]))
    signal.signal(signal.SIGTERM, say)
    print("up", flush=True)
    signal.pause()
""",
]
QUICK = {"periodSeconds": 0.05, "failureThreshold": 2}


def ask(pod: Pod, path: str = "/", port: int = 8080) -> dict[str, Any]:
    url = f"http://127.0.0.1:{pod.facts.real_port(port)}{path}"
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)  # type: ignore[no-any-return]


@pytest.fixture
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers are restarted after 50 ms first."""
    monkeypatch.setattr(container_supervisor, "FIRST_PAUSE_SECONDS", 0.05)


class TestLife:
    def test_a_pod_without_command_answers_as_itself(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """Image-only manifests run as stubs, and their probes pass."""
        ports = [*WEB, {"containerPort": 9102}]
        web = make_workload(
            {
                "image": "web",
                "ports": ports,
                "readinessProbe": {"httpGet": {"port": "http", "path": "/readyz"}},
            }
        )

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            await pod.until_ready(5)

            answer = await asyncio.to_thread(ask, pod, "/x", 9102)

            assert (answer["pod"], answer["port"], answer["path"]) == (pod.name, 9102, "/x")
            await pod.stop()

        run_on_bench(scenario)

    def test_its_states_are_reported_in_order(self, run_on_bench: Run, make_workload: MakeWorkload) -> None:
        """From the start to the end, each once; its files end with it."""
        web = make_workload({"command": ["sleep", "60"]})

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            assert pod.state is PodState.PENDING
            await pod.start()
            await pod.until_ready(5)
            assert pod.facts.home.is_dir()

            await pod.stop()

            assert [state for state in bench.states if state is not PodState.RUNNING] == [
                PodState.READY,
                PodState.TERMINATING,
                PodState.STOPPED,
            ]
            assert not pod.facts.folder.exists()
            assert bench.processes.running == ()

        run_on_bench(scenario)

    def test_gunicorn_listens_on_the_real_port(self, run_on_bench: Run, make_workload: MakeWorkload) -> None:
        """A command found beside this Python, bound to the declared port, serves on the real one."""
        command = ["gunicorn", "--bind", "0.0.0.0:8080", "wsgiref.simple_server:demo_app"]
        web = make_workload({"command": command, "ports": WEB, "startupProbe": {"httpGet": {"port": 8080}}})

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            await pod.until_ready(10)

            (container,) = pod.containers
            listening = {
                (connection.laddr.ip, connection.laddr.port)
                for connection in psutil.Process(container.pid).net_connections()
                if connection.status == psutil.CONN_LISTEN
            }
            assert listening == {("127.0.0.1", pod.facts.real_port(8080))}
            await pod.stop()

        run_on_bench(scenario)

    def test_all_containers_have_to_be_ready(
        self, run_on_bench: Run, deployment: Callable[..., Resource], until: Until
    ) -> None:
        """Each is a process; they share the pod's ports."""
        probe = {"readinessProbe": {"exec": {"command": ["test", "-f", "/shared/up"]}, **QUICK}}
        mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
        containers = [
            {"name": "a", "ports": WEB},
            {"name": "b", "command": ["sleep", "60"], **probe, **mount},
        ]
        both = workload(deployment({"containers": containers, "volumes": [{"name": "shared"}]}))

        async def scenario(bench: Any) -> None:
            pod = bench.pod(both)
            await pod.start()
            await until(lambda: pod.containers[0].ready, "the first container is ready")
            assert pod.state is PodState.RUNNING

            (pod.facts.volume_folder(both.volumes[0]) / "up").touch()
            await pod.until_ready(5)

            assert [container.name for container in pod.containers] == ["a", "b"]
            await pod.stop()

        run_on_bench(scenario)

    def test_init_containers_run_to_their_ends_in_order_before_the_others(
        self, run_on_bench: Run, deployment: Callable[..., Resource]
    ) -> None:
        """They share the volumes of the pod; one without a command, which is in the image, is left out."""
        mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
        before = [
            {"name": "first", "command": ["sh", "-c", "echo first >> /shared/order"], **mount},
            {"name": "image", "image": "image"},
            {"name": "second", "command": ["sh", "-c", "echo second >> /shared/order"], **mount},
        ]
        main = [{"name": "web", "command": ["sh", "-c", "test -f /shared/order && sleep 60"], **mount}]
        fields = {"initContainers": before, "containers": main, "volumes": [{"name": "shared"}]}
        prepared = workload(deployment(fields))

        async def scenario(bench: Any) -> None:
            pod = bench.pod(prepared)
            await pod.start()
            await pod.until_ready(5)

            order = (pod.facts.volume_folder(prepared.volumes[0]) / "order").read_text()
            assert order.split() == ["first", "second"]
            assert [container.name for container in pod.containers] == ["web"]
            await pod.stop()

        run_on_bench(scenario)

    def test_an_init_container_that_fails_fails_the_pod(
        self, run_on_bench: Run, deployment: Callable[..., Resource]
    ) -> None:
        """With its name, its exit status and the end of its log; the containers do not start."""
        before = [{"name": "migrate", "command": ["sh", "-c", "echo no database; exit 3"]}]
        failing = workload(deployment({"initContainers": before, "containers": [{"name": "web"}]}))

        async def scenario(bench: Any) -> None:
            pod = bench.pod(failing)
            with pytest.raises(PodFailedError) as caught:
                await pod.start()

            assert "cannot start: init container migrate: exited with status 3" in str(caught.value)
            assert caught.value.last_lines == ("no database",)
            assert pod.containers == ()

        run_on_bench(scenario)

    def test_replicas_have_one_log(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """What they write is appended as it is, nothing of localmesh between."""
        script = "echo '{\"pod\": \"'$HOSTNAME'\"}'; sleep 60"
        web = make_workload({"command": ["sh", "-c", script]})

        async def scenario(bench: Any) -> None:
            pods = [bench.pod(web, ordinal) for ordinal in range(2)]
            for pod in pods:
                await pod.start()
            await until(lambda: len(_lines(pods[0].log_file)) == 2, "both have written")

            written = [json.loads(line)["pod"] for line in _lines(pods[1].log_file)]
            assert sorted(written) == sorted(pod.name for pod in pods)
            assert pods[0].log_file == bench.folder / "logs/demo/web-v1.log"
            await asyncio.gather(*(pod.stop() for pod in pods))

        run_on_bench(scenario)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


class TestFailure:
    def fails(self, run_on_bench: Run, workload: Workload, timeout_seconds: float = 5) -> str:
        """What a pod of the workload fails with."""
        messages: list[str] = []

        async def scenario(bench: Any) -> None:
            pod = bench.pod(workload)
            await pod.start()
            with pytest.raises(PodFailedError) as caught:
                await pod.until_ready(timeout_seconds, tolerated_restarts=1)
            await pod.stop(0)
            messages.append(str(caught.value).replace(pod.name, "POD").replace(str(bench.folder), "FOLDER"))

        run_on_bench(scenario)
        return messages[0]

    @pytest.mark.usefixtures("quick_restarts")
    def test_a_failure_at_start_is_reported_with_the_end_of_the_log(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """How it ended, how often, and the last lines it wrote, after the restarts that are tolerated."""
        web = make_workload({"command": ["sh", "-c", "seq 20; echo no database >&2; exit 3"], "ports": WEB})

        message = self.fails(run_on_bench, web)

        lines = message.splitlines()
        assert lines[0] == (
            "pod demo/POD is not ready: container web: exited with status 3 (2 times); "
            "the end of FOLDER/logs/demo/web-v1.log:"
        )
        assert lines[1:] == [*(f"  {number}" for number in range(7, 21)), "  no database"]

    def test_a_missing_command_is_reported_at_once(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """No restart could help."""
        message = self.fails(run_on_bench, make_workload({"command": ["no-such-program"]}))

        assert 'container web: "no-such-program" is not found on the PATH' in message
        assert "if the program exists only in the image, remove the container's command: a stub" in message

    def test_a_probe_that_can_never_succeed_is_reported_at_once(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """Its program exists only in the image, which the stub replaces."""
        probe = {"readinessProbe": {"exec": {"command": ["no-such-program", "ping"]}}}

        message = self.fails(run_on_bench, make_workload({"image": "redis", "ports": WEB, **probe}))

        assert 'container web: its readiness probe runs "no-such-program", which is not found' in message

    def test_what_a_pod_waits_for_is_logged_while_it_waits(
        self,
        run_on_bench: Run,
        make_workload: MakeWorkload,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The pod, the probe and its last answer; not only when the time is up."""
        monkeypatch.setattr(pod_module, "REPORT_AFTER_SECONDS", 0.3)
        probe = {"readinessProbe": {"exec": {"command": ["false"]}, **QUICK}}

        self.fails(run_on_bench, make_workload({"command": ["sleep", "60"], **probe}), timeout_seconds=0.6)

        (line,) = [text for text in caplog.messages if "waiting for" in text]
        assert re.fullmatch(
            r"pod demo/web-v1-\w+, container web: waiting for readiness probe: false: exit status 1 "
            r"\(up to 0.6 s\)",
            line,
        )

    def test_a_failed_startup_probe_is_reported_at_once(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """A startup probe that has failed for all its time says so, with a likely reason."""
        probe = {"startupProbe": {"tcpSocket": {"port": 8080}, **QUICK}}
        web = make_workload({"command": ["sleep", "60"], "ports": WEB, **probe})

        message = self.fails(run_on_bench, web)

        assert re.search(
            r"startup probe failed for 0\.1 s: 127\.0\.0\.1:\d+ \(for port 8080\): nothing", message
        )

    def test_a_pod_that_is_never_ready_is_reported_after_the_timeout(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """The last result of its probe and its log are in the message."""
        probe = {"readinessProbe": {"exec": {"command": ["false"]}, **QUICK}}
        web = make_workload({"command": ["sh", "-c", "echo waiting; sleep 60"], **probe})

        message = self.fails(run_on_bench, web, timeout_seconds=0.5)

        assert (
            "is not ready after 0.5 s: container web: readiness probe: false: exit status 1; the end of"
            in message
        )
        assert message.endswith("\n  waiting")

    def test_a_port_in_use_is_reported_before_anything_starts(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """The real port, the declared one, and that it is another program's."""

        async def scenario(bench: Any) -> None:
            with socket.create_server(("127.0.0.1", 0)) as other:
                port = other.getsockname()[1]
                pod = bench.pod(make_workload({"ports": WEB}), ports={8080: port})

                with pytest.raises(
                    PodFailedError, match=f"port {port} on 127.0.0.1, allocated for its port 8080, is in use"
                ):
                    await pod.start()

        run_on_bench(scenario)

    def test_missing_configuration_is_reported_before_anything_starts(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """A pod that would lack a variable does not run."""
        web = make_workload({"envFrom": [{"configMapRef": {"name": "nowhere"}}]})

        async def scenario(bench: Any) -> None:
            with pytest.raises(ManifestError, match="nowhere"):
                await bench.pod(web).start()

        run_on_bench(scenario)

    def test_stopping_a_pod_ends_the_wait_for_it(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """With an error that says so."""
        probe = {"readinessProbe": {"exec": {"command": ["false"]}, **QUICK}}
        web = make_workload({"command": ["sleep", "60"], **probe})

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            waiting = asyncio.create_task(pod.until_ready(5))
            await asyncio.sleep(0)
            await pod.stop()

            with pytest.raises(PodFailedError, match="was stopped before it was ready"):
                await waiting

        run_on_bench(scenario)


@pytest.mark.usefixtures("quick_restarts")
class TestRestart:
    def test_a_killed_container_is_restarted_in_the_same_pod(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """Name and ports stay; the restart is counted and has its reason."""

        async def scenario(bench: Any) -> None:
            pod = bench.pod(make_workload({"ports": WEB}))
            await pod.start()
            await pod.until_ready(5)
            name, pid = pod.name, pod.containers[0].pid

            os.kill(pid, signal.SIGKILL)
            await until(lambda: pod.restarts == 1 and pod.ready, "it is back")

            (container,) = pod.containers
            assert container.pid != pid
            assert container.last_end is not None
            assert container.last_end.reason == "was ended by SIGKILL"
            assert (await asyncio.to_thread(ask, pod))["pod"] == name
            assert PodState.CRASH_LOOP in bench.states
            await pod.stop()

        run_on_bench(scenario)

    def test_an_unhealthy_container_is_ended_gracefully_and_restarted(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """It is not ready from the verdict on, and gets SIGTERM first."""
        probe = {"exec": {"command": ["test", "!", "-f", "/state/sick"]}, **QUICK}
        web = make_workload(
            {
                "command": [*PROGRAM, "bye"],
                "livenessProbe": probe,
                "volumeMounts": [{"name": "state", "mountPath": "/state"}],
            },
            volumes=[{"name": "state"}],
        )

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            await pod.until_ready(5)
            await until(lambda: _lines(pod.log_file) == ["up"], "it takes signals")
            sick = pod.facts.volume_folder(web.volumes[0]) / "sick"

            sick.touch()
            await until(lambda: pod.state is PodState.CRASH_LOOP, "it was ended")
            sick.unlink()
            await until(lambda: pod.ready, "it is back")

            end = pod.containers[0].last_end
            assert end is not None
            assert end.reason == "liveness probe failed 2 times: test ! -f /state/sick: exit status 1"
            assert end.last_lines == ("up", "bye")
            await pod.stop()

        run_on_bench(scenario)


class TestStop:
    def test_termination_is_reported_before_any_process_stops(
        self, run_on_bench: Run, make_workload: MakeWorkload
    ) -> None:
        """So that endpoints can be removed first."""

        async def scenario(bench: Any) -> None:
            pod = bench.pod(make_workload({"ports": WEB}))
            await pod.start()
            await pod.until_ready(5)

            pod.leave()

            assert bench.states[-1] is PodState.TERMINATING
            assert not pod.ready
            assert (await asyncio.to_thread(ask, pod))["pod"] == pod.name
            await pod.stop()

        run_on_bench(scenario)

    def test_the_hook_after_the_start_comes_before_the_probes(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """postStart runs once the program does; one that fails ends the container."""
        hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo hook >> $LOG; test ! -e $LOG.fail"]}}}
        web = make_workload(
            {
                "command": [*PROGRAM, "bye"],
                "lifecycle": hook,
                "env": [{"name": "LOG", "value": "/state/log"}],
                "volumeMounts": [{"name": "state", "mountPath": "/state"}],
            },
            volumes=[{"name": "state"}],
        )

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            await until(lambda: pod.ready, "the hook has run")
            log = pod.facts.folder / "volumes" / "state" / "log"

            assert log.read_text() == "hook\n"

        run_on_bench(scenario)

    def test_the_hook_runs_before_the_signal(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """preStop comes first, beside the container, and the grace period includes it."""
        web = make_workload(
            {
                "command": [*PROGRAM, "bye"],
                "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> $LOG"]}}},
                "env": [{"name": "LOG", "value": "/state/log"}],
                "volumeMounts": [{"name": "state", "mountPath": "/state"}],
            },
            volumes=[{"name": "state"}],
        )

        async def scenario(bench: Any) -> None:
            pod = bench.pod(web)
            await pod.start()
            await until(lambda: _lines(pod.log_file) == ["up"], "it takes signals")

            await pod.stop()

            assert _lines(pod.log_file) == ["up", "hook", "bye"]

        run_on_bench(scenario)

    @pytest.mark.usefixtures("quick_restarts")
    def test_a_crashing_pod_stops_too(
        self, run_on_bench: Run, make_workload: MakeWorkload, until: Until
    ) -> None:
        """Nothing is started again afterwards."""

        async def scenario(bench: Any) -> None:
            pod = bench.pod(make_workload({"command": ["false"]}))
            await pod.start()
            await until(lambda: pod.restarts >= 1, "it was restarted")

            await pod.stop()
            restarts = pod.restarts
            await asyncio.sleep(0.2)  # longer than the pause would have been

            assert pod.state is PodState.STOPPED
            assert pod.restarts == restarts
            assert bench.processes.running == ()

        run_on_bench(scenario)
