"""`localmesh up` as a process: signals, output and exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from localmesh.tests.command_line import Finished, localmesh
from localmesh.tests.mesh.shop import BASE, DYING_V2, V1, routed

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("cli")]

LOCALMESH = Path(sys.executable).with_name("localmesh")
PATIENCE_SECONDS = 20


def poll_until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition; the error says for which."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.01)


class Up:
    """A `localmesh up` in its own folder."""

    def __init__(self, folder: Path, manifests: str) -> None:
        self.folder = folder
        self.state = folder / ".localmesh"
        (folder / "mesh.yaml").write_text(manifests)

    def command(self, *arguments: str) -> list[str]:
        ports = () if "--api-port" in arguments else ("--api-port", "0")
        gateway = () if "--gateway-port" in arguments else ("--gateway-port", "0")
        options, dashes, command = (*arguments,), (), ()
        if "--" in arguments:
            index = arguments.index("--")
            options, dashes, command = arguments[:index], ("--",), arguments[index + 1 :]
        return [str(LOCALMESH), "up", "-f", "mesh.yaml", *ports, *gateway, *options, *dashes, *command]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def refused(self, *arguments: str) -> Finished:
        """Where nothing starts, no process of its own is needed."""
        _, *command = self.command(*arguments)
        return localmesh(self.folder, *command)

    def start(self, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*prefix, *self.command(*arguments)], cwd=self.folder, stderr=subprocess.PIPE, text=True
        )
        poll_until(lambda: self.ready() or process.poll() is not None, "the mesh")
        return process

    def ready(self) -> bool:
        note = self.state / "mesh.json"
        try:
            url = json.loads(note.read_text())["url"]
            with urllib.request.urlopen(f"{url}/mesh") as answer:
                return bool(json.load(answer)["generation"])
        except (OSError, ValueError):
            return False

    def left(self) -> list[str]:
        """Command lines of processes that use this folder."""
        lines = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                place = process.cwd()
            except psutil.Error:
                continue
            if str(self.folder) in (words, place) or str(self.folder) in f"{words} {place}":
                lines.append(words)
        return lines


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Up]:
    """A shop with one version; its processes are killed even after a failed test."""
    up = Up(tmp_path, BASE + V1 + routed(v1=1))
    yield up
    for process in psutil.process_iter():
        try:
            if str(tmp_path) in " ".join(process.cmdline()) or process.cwd().startswith(str(tmp_path)):
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(shop: Up, number: signal.Signals) -> None:
    """Ctrl-C, kill and a closed terminal stop all processes."""
    process = shop.start()

    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0
    assert errors.endswith("localmesh: stopping …\n")
    poll_until(lambda: not shop.left(), "the last process")
    assert not (shop.state / "mesh.json").exists()


def test_kill_9_leaves_nothing_running(shop: Up) -> None:
    """Envoys, pods and the command end even if localmesh has no chance to stop them."""
    process = shop.start("--", "sleep", "1000")

    process.kill()
    process.communicate()

    poll_until(lambda: not shop.left(), "the last process")


def test_the_mesh_ends_with_its_parent(shop: Up) -> None:
    """With --end-with-parent a killed make or shell stops the mesh."""
    parent = shop.start("--end-with-parent", prefix=("sh", "-c", '"$0" "$@"; exit $?'))

    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()

    poll_until(lambda: not shop.left(), "the last process")


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_runs_in_the_mesh_and_gives_it_its_exit_status(shop: Up, status: int) -> None:
    """It has LOCALMESH_URL in its environment, which need not be printed then; the mesh ends with it."""
    script = (
        "import json, os, urllib.request, sys; "
        "mesh = json.load(urllib.request.urlopen(os.environ['LOCALMESH_URL'] + '/mesh')); "
        f"print(len(mesh['pods']), mesh['ready']); sys.exit({status})"
    )

    finished = shop.run("--", sys.executable, "-c", script)

    assert (finished.returncode, finished.stdout) == (status, "1 True\n")
    assert "export" not in finished.stderr
    assert shop.left() == []


@pytest.mark.parametrize("option", ["--gateway-port", "--api-port"])
def test_a_port_in_use_is_reported_before_anything_starts(shop: Up, option: str) -> None:
    """One line names the port and the option; exit status 1; nothing is left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        finished = shop.refused(option, str(port))

    expected = f"localmesh: port {port} on 127.0.0.1 is in use; choose another one with {option}"
    assert (finished.returncode, finished.stderr.splitlines()[-1]) == (1, expected)
    assert not shop.state.exists()


def test_another_api_port_is_printed_for_other_shells(shop: Up) -> None:
    """As a line to copy."""
    process = shop.start()
    url = json.loads((shop.state / "mesh.json").read_text())["url"]

    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert f"export LOCALMESH_URL={url}\n" in errors


def test_the_addresses_to_open_are_printed_first(shop: Up) -> None:
    """That of the application, which is the gateway's, and that of the live page."""
    finished = shop.run("--", str(LOCALMESH), "status")

    gateway = re.search(r"istio-ingressgateway +http +(\S+)", finished.stdout)
    assert gateway
    expected = rf"ready in .* s\n  application +{gateway[1]}/\n  live page +http://\S+/\n"
    assert re.search(expected, finished.stderr)


def test_a_mesh_truncates_old_logs(shop: Up) -> None:
    """Only those of an earlier mesh with the same state folder."""
    log = shop.state / "logs" / "shop" / "web-v1.log"
    log.parent.mkdir(parents=True)
    log.write_text("of the mesh before\n")

    finished = shop.run("--", "true")

    assert finished.returncode == 0
    assert "of the mesh before" not in log.read_text()


def test_an_invalid_port_is_refused(shop: Up) -> None:
    """Wrong usage: one line, exit status 2."""
    finished = shop.refused("--gateway-port", "99999")

    assert finished.returncode == 2
    assert "99999 is not in the range 0<=x<=65535" in finished.stderr


def test_a_missing_envoy_is_reported_at_once(shop: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and its value."""
    monkeypatch.setenv("LOCALMESH_ENVOY", "/nowhere/envoy")

    finished = shop.refused()

    expected = "localmesh: LOCALMESH_ENVOY is /nowhere/envoy, which is not an executable file"
    assert (finished.returncode, finished.stderr.splitlines()[-1]) == (1, expected)
    assert not shop.state.exists()


def test_a_program_that_fails_at_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The reason and the last lines of the log; exit status 1; nothing left behind."""
    up = Up(tmp_path, BASE + V1 + DYING_V2 + routed(v1=1))

    finished = up.run()

    assert finished.returncode == 1
    assert "pod shop/web-v2-" in finished.stderr
    assert "exited with status 7" in finished.stderr
    assert "  no database" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert up.left() == []


def test_bad_manifests_start_nothing(tmp_path: Path) -> None:
    """Every problem at once, exit status 2, and not even a state folder."""
    bad = routed(v1=-1).replace("hosts:", "hostz:")
    up = Up(tmp_path, BASE + V1 + bad)

    finished = up.refused()

    assert finished.returncode == 2
    assert "spec.hostz" in finished.stderr
    assert "spec.http[0].route[0].weight" in finished.stderr
    assert not up.state.exists()


def test_what_cannot_work_is_a_warning_and_an_error_with_strict(tmp_path: Path) -> None:
    """A route to a missing subset starts with a warning and answers 503; with --strict nothing starts."""
    up = Up(tmp_path, BASE + V1 + routed(v9=1))
    ask = "import os, json, sys, urllib.request, urllib.error\n"
    ask += "mesh = json.load(urllib.request.urlopen(os.environ['LOCALMESH_URL'] + '/mesh'))\n"
    ask += "try: urllib.request.urlopen(mesh['gateways']['istio-ingressgateway']['http'])\n"
    ask += "except urllib.error.HTTPError as error: print(error.code)\n"

    lenient = up.run("--", sys.executable, "-c", ask)
    strict = up.refused("--strict")

    assert (lenient.returncode, lenient.stdout) == (0, "503\n")
    assert "warning" in lenient.stderr
    assert '"v9"' in lenient.stderr
    assert strict.returncode == 2
    assert "error" in strict.stderr


def test_a_second_mesh_with_the_same_state_folder_is_refused(shop: Up) -> None:
    """The second is refused with the name of the folder; the first continues."""
    first = shop.start()
    try:
        second = shop.refused()

        assert second.returncode == 1
        assert "a mesh is already running with the state folder .localmesh (process" in second.stderr
        assert shop.ready()
    finally:
        first.terminate()
        first.communicate(timeout=PATIENCE_SECONDS)
