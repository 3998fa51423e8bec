"""The commands on a running mesh, good and bad calls side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localmesh.cli.client import Client
from localmesh.tests.command_line import NOBODY, Finished, localmesh
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("cli")]

LOCALMESH = Path(sys.executable).with_name("localmesh")


class Shell:
    """Runs localmesh in a folder where a mesh runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, stdin: str = "") -> Finished:
        return localmesh(self.folder, *arguments, stdin=stdin)

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs it as a process of its own, which the command may replace."""
        return subprocess.run(
            [LOCALMESH, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A running mesh of two versions, and a shell beside it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "mesh.yaml").write_text(BASE + V1 + V2 + routed(v1=1))
    ports = ("--gateway-port", "0", "--api-port", "0")
    command = [LOCALMESH, "up", "-f", "mesh.yaml", *ports, "--end-with-parent"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C" in line:
            break
    yield Shell(folder)
    process.terminate()
    process.communicate(timeout=20)


def test_pass_when_status_names_pods_proxies_and_gateway(shell: Shell) -> None:
    """One line per pod, with its state and ports, and the gateway's address."""
    finished = shell("status")

    assert finished.returncode == 0
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert [row[2:5] for row in rows if row and row[0] == "shop"] == [["Ready", "0", "synced"]] * 2
    assert "istio-ingressgateway  http  http://127.0.0.1:" in finished.stdout


def test_pass_when_apply_f_adds_and_changes_and_leaves_the_rest(shell: Shell) -> None:
    """With -f alone objects are added, as by kubectl."""
    finished = shell("apply", "-f", shell.write("route.yaml", routed(v1=1, v2=1)))

    assert finished.stdout.splitlines()[0] == "changed  VirtualService shop/web"
    assert "acknowledged by all 3 proxies after" in finished.stdout
    assert "removed" not in finished.stdout
    assert finished.returncode == 0


def test_pass_when_apply_f_is_checked_beside_what_runs(shell: Shell) -> None:
    """No warning for a route whose Service and subsets are in the mesh; one for a wrong subset."""
    good = shell("apply", "--strict", "-f", shell.write("route.yaml", routed(v1=50, v2=50)))
    bad = shell("apply", "--strict", "-f", shell.write("route.yaml", routed(v9=1)))

    assert (good.returncode, good.stderr) == (0, "")
    assert bad.returncode == 2
    assert '"v9"' in bad.stderr


def test_pass_when_a_warning_names_the_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file as it was typed, also where the mesh is known by its address; status says the same."""
    url = json.loads((shell.folder / ".localmesh/mesh.json").read_text())["url"]
    route = shell.write("route.yaml", routed(v9=1))

    beside = shell("apply", "-f", route)
    monkeypatch.setenv("LOCALMESH_URL", url)
    by_address = shell("apply", "-f", route)
    shell.write("route.yaml", f"# a line more\n{routed(v9=1)}")
    moved = shell("apply", "-f", route)

    for finished, line in ((beside, 10), (by_address, 10), (moved, 11)):
        assert finished.returncode == 0
        assert finished.stderr.startswith(f"route.yaml:{line}: warning SM203: VirtualService shop/web\n")
    assert "\nroute.yaml:11: warning SM203: VirtualService shop/web\n" in shell("status").stdout


def test_pass_when_status_names_the_lines_of_a_kustomization(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As apply does: a mesh of this machine reads the files itself, even if it is known by its address."""
    shell.write("kustomization.yaml", "resources: [mesh.yaml]\n")
    warning = "mesh.yaml:15: warning SM205: DestinationRule shop/web\n"

    beside = shell("apply", "-k", ".")
    monkeypatch.setenv(
        "LOCALMESH_URL", json.loads((shell.folder / ".localmesh/mesh.json").read_text())["url"]
    )
    by_address = shell("apply", "-k", ".")

    for printed in (beside.stderr, by_address.stderr, shell("status").stdout):
        assert printed.count("warning SM205") == 1
        assert warning in printed


def test_pass_when_a_mesh_is_sent_with_its_warnings(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -k and a mesh elsewhere, warnings are printed by the command, once, with its own file names."""
    monkeypatch.setenv(
        "LOCALMESH_URL", json.loads((shell.folder / ".localmesh/mesh.json").read_text())["url"]
    )
    monkeypatch.setattr(Client, "runs_here", lambda _client: False)
    shell.write("kustomization.yaml", "resources: [mesh.yaml]\n")

    finished = shell("apply", "-k", ".")

    assert finished.returncode == 0
    assert finished.stderr.count("warning SM205") == 1
    assert finished.stderr.startswith("mesh.yaml:15: warning SM205: DestinationRule shop/web\n")


def test_pass_when_apply_says_what_it_ignores(shell: Shell) -> None:
    """A ProxyConfig has no effect, and the output says so."""
    ignored = (
        "{apiVersion: networking.istio.io/v1beta1, kind: ProxyConfig, metadata: {name: t, namespace: a}}"
    )

    finished = shell("apply", "-f", shell.write("ignored.yaml", ignored))

    assert finished.stdout.splitlines()[:2] == [
        "nothing changed",
        "ignored  ProxyConfig: no effect without a cluster",
    ]


def test_pass_when_get_lists_applied_objects(shell: Shell) -> None:
    """All of Istio; one kind by its short name, as YAML that can be applied again."""
    everything = shell("get")
    virtual_service = shell("get", "vs", "web", "-o", "yaml")
    again = shell("apply", "-f", "-", stdin=virtual_service.stdout)

    rows = [line.split() for line in everything.stdout.splitlines()]
    assert rows[0] == ["KIND", "NAMESPACE", "NAME"]
    assert [row for row in rows[1:] if row[0] != "ProxyConfig"] == [  # which another test may have applied
        ["DestinationRule", "shop", "web"],
        ["Gateway", "shop", "edge"],
        ["VirtualService", "shop", "web"],
    ]
    assert virtual_service.stdout.startswith("apiVersion: networking.istio.io/v1\nkind: VirtualService\n")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "nothing changed")


def test_pass_when_get_is_asked_as_kubectl_is(shell: Shell) -> None:
    """Several kinds with commas, in all namespaces."""
    several = shell("get", "vs,dr", "-A")

    rows = [line.split() for line in several.stdout.splitlines()[1:]]
    assert rows == [["DestinationRule", "shop", "web"], ["VirtualService", "shop", "web"]]


def test_fail_when_get_is_asked_for_an_unknown_kind(shell: Shell) -> None:
    """One line; a kind without objects is not an error."""
    unknown, pods, none = shell("get", "foo"), shell("get", "pods"), shell("get", "sidecars")

    assert (unknown.returncode, pods.returncode, none.returncode) == (2, 0, 0)
    assert '"foo" is not a kind such as virtualservices' in unknown.stderr
    assert pods.stderr == "no pods found; `localmesh status` shows the pods of workloads\n"
    assert none.stderr == "no sidecars found\n"


def test_pass_when_delete_removes_the_objects_of_a_file(shell: Shell) -> None:
    """By kind and name, and nothing else; the second time the object is missing, exit status 1."""
    extra = shell.write("extra.yaml", V1.replace("web-v1", "extra"))
    shell("apply", "-f", extra)

    first, second = shell("delete", "-f", extra), shell("delete", "-f", extra)

    assert (first.returncode, first.stdout.splitlines()[0]) == (0, "removed  Deployment shop/extra")
    assert "removed" not in "".join(first.stdout.splitlines()[1:])
    assert (second.returncode, second.stderr) == (1, "localmesh: Deployment shop/extra is not applied\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("Deployment", "extra"),
        ("deploy", "extra", "-n", "shop"),
        ("deployments.apps/extra",),
        ("-f", "extra-without-namespace.yaml", "-n", "shop"),
    ],
)
def test_pass_when_delete_names_objects_as_kubectl_does(shell: Shell, arguments: tuple[str, ...]) -> None:
    """By kind and name, in any spelling of the kind; a file's objects may lack the namespace."""
    shell("apply", "-f", shell.write("extra.yaml", V1.replace("web-v1", "extra")))
    shell.write(
        "extra-without-namespace.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: extra}}"
    )

    finished = shell("delete", *arguments)

    assert (finished.returncode, finished.stdout.splitlines()[0]) == (0, "removed  Deployment shop/extra")


def test_pass_when_delete_says_where_the_object_is(shell: Shell) -> None:
    """A file that names no namespace means `default`; the message names the namespace of the object."""
    service = "{apiVersion: v1, kind: Service, metadata: {name: web}}"

    finished = shell("delete", "-f", shell.write("service.yaml", service))

    assert (finished.returncode, finished.stdout.splitlines()[0]) == (1, "nothing changed")
    assert finished.stderr == (
        "localmesh: Service default/web is not applied; there is one in namespace shop: add -n shop\n"
    )


def test_pass_when_delete_and_status_warn_of_what_no_longer_works(shell: Shell) -> None:
    """A route whose subsets are gone: `delete` says it at once, `status` as long as it is so."""
    before = shell("status")

    deleted = shell("delete", "dr", "web")
    status = shell("status")
    shell("apply", "-f", "mesh.yaml")

    assert "SM203" not in before.stdout
    for text in (deleted.stderr, status.stdout):
        assert "warning SM203: VirtualService shop/web" in text
    assert not [text for text in json.loads(shell("status", "--json").stdout)["warnings"] if "SM203" in text]


def test_fail_when_a_delete_is_ambiguous_or_incomplete(shell: Shell) -> None:
    """One line says what is missing; nothing is removed."""
    other = V1.replace("namespace: shop", "namespace: other")
    shell("apply", "-f", shell.write("other.yaml", other))

    ambiguous, incomplete = shell("delete", "deploy", "web-v1"), shell("delete", "deploy")
    shell("delete", "-f", "other.yaml")

    assert "Deployment web-v1 exists in other, shop: choose one with -n" in ambiguous.stderr
    assert "the name is missing: write deploy NAME or deploy/NAME" in incomplete.stderr
    assert (ambiguous.returncode, incomplete.returncode) == (2, 2)


def test_pass_when_get_and_logs_are_limited_to_a_namespace(shell: Shell) -> None:
    """What is elsewhere is not shown."""
    here, elsewhere = shell("get", "svc", "-n", "shop"), shell("get", "svc", "-n", "other")
    logs, no_logs = shell("logs", "web-v1", "-n", "shop"), shell("logs", "web-v1", "-n", "other")

    assert "shop" in here.stdout
    assert (elsewhere.stdout, elsewhere.stderr) == ("", "no svc found in namespace other\n")
    assert logs.returncode == 0
    assert 'there is no log of "web-v1"; there are: none' in no_logs.stderr


def test_pass_when_delete_warns_of_routes_that_need_what_is_gone(shell: Shell) -> None:
    """The warnings are about the mesh that is left, and say what callers get."""
    rule = shell.write("rule.yaml", BASE.split("---")[1])
    shell("apply", "-f", shell.write("route.yaml", routed(v1=1)))

    deleted = shell("delete", "-f", rule)
    restored = shell("apply", "-f", rule)

    assert deleted.returncode == 0
    assert "warning SM203: VirtualService shop/web\n" in deleted.stderr
    assert "there is no DestinationRule for it; callers get 503\n" in deleted.stderr
    assert deleted.stderr.count("warning") == 1
    assert "SM203" not in restored.stderr


def test_fail_when_apply_gets_nothing(shell: Shell) -> None:
    """An empty file and an empty pipe are named; exit status 2."""
    empty = shell("apply", "-f", shell.write("empty.yaml", "# nothing yet\n"))
    pipe = shell("apply", "-f", "-")

    assert (empty.returncode, pipe.returncode) == (2, 2)
    assert empty.stderr.startswith("empty.yaml: error SM001\n  cannot be read: it contains no objects\n")
    assert pipe.stderr.startswith(
        "<stdin>: error SM001\n  cannot be read: standard input contains no objects"
    )


def test_pass_when_apply_reads_standard_input(shell: Shell) -> None:
    """`-f -` takes what a pipe brings."""
    finished = shell("apply", "-f", "-", stdin=routed(v2=1))

    assert (finished.returncode, finished.stdout.splitlines()[0]) == (0, "changed  VirtualService shop/web")


def test_pass_when_apply_k_removes_what_is_not_named(shell: Shell) -> None:
    """With -k, the mesh gets exactly the objects of the kustomization."""
    shell("apply", "-f", shell.write("extra.yaml", V1.replace("web-v1", "extra")))
    shell.write("kustomization.yaml", "resources: [mesh.yaml]\n")

    finished = shell("apply", "-k", ".")

    assert "removed  Deployment shop/extra" in finished.stdout
    assert finished.returncode == 0


def test_fail_when_apply_gets_a_bad_weight_and_keep_the_old_state(shell: Shell) -> None:
    """Exit status 2, the file, resource and field; the previous configuration still applies."""
    before = json.loads(shell("status", "--json").stdout)["generation"]

    finished = shell("apply", "-f", shell.write("bad.yaml", routed(v1=-5)))

    assert finished.returncode == 2
    assert "bad.yaml" in finished.stderr
    assert "VirtualService shop/web" in finished.stderr
    assert "spec.http[0].route[0].weight" in finished.stderr
    assert finished.stderr.endswith("Nothing was changed: the previous configuration still applies.\n")
    assert json.loads(shell("status", "--json").stdout)["generation"] == before


def test_pass_when_proxy_config_of_the_running_mesh_has_five_parts(shell: Shell) -> None:
    """`all` is one object with the five keys, each as the part alone prints it."""
    everything = json.loads(shell("proxy-config", "all", "istio-ingressgateway").stdout)

    routes = json.loads(shell("proxy-config", "routes", "istio-ingressgateway").stdout)

    assert sorted(everything) == ["clusters", "endpoints", "listeners", "routes"]
    assert everything["routes"] == routes
    assert [route["name"] for route in routes] == ["http.8080"]


def test_fail_when_proxy_config_is_asked_for_an_unknown_workload(shell: Shell) -> None:
    """One line with the names that there are; exit status 2, running and offline alike."""
    running = shell("proxy-config", "all", "nobody")
    offline = shell("proxy-config", "all", "nobody", "-f", "mesh.yaml")

    assert running.returncode == offline.returncode == 2
    for finished in (running, offline):
        assert (
            'no workload or gateway is called "nobody"; there are: istio-ingressgateway, web-v1, web-v2'
            in finished.stderr
        )


def test_pass_when_certificates_are_rotated(shell: Shell) -> None:
    """The gateway and both sidecars or more get new ones."""
    finished = shell("rotate-certificates")

    assert finished.returncode == 0
    assert finished.stdout.endswith("proxies have new certificates\n")


def test_pass_when_logs_show_what_a_workload_wrote(shell: Shell) -> None:
    """The log of a workload, of its Envoy, and one line for a name that has none."""
    assert shell("logs", "web-v1").returncode == 0
    assert shell("logs", "web-v1", "--proxy").returncode == 0
    assert shell("logs", "istio-ingressgateway").returncode == 0

    finished = shell("logs", "nobody")

    assert finished.returncode == 2
    assert 'there is no log of "nobody"; there are: istio-ingressgateway, web-v1, web-v2' in finished.stderr


def test_pass_when_a_command_runs_as_in_a_pod(shell: Shell) -> None:
    """It has the pod's environment and sends its requests through the sidecar; its status is returned."""
    program = "import os; print(os.environ['HOSTNAME'], os.environ['http_proxy'] == os.environ['HTTP_PROXY'])"
    asks = "import urllib.request as u; print(u.urlopen('http://web/as').read().decode())"

    named = shell.process("exec", "deploy/web-v1", "--", "python3", "-c", program)
    answered = shell.process("exec", "web-v1", "-n", "shop", "-c", "web", "--", "python3", "-c", asks)
    ended = shell.process("exec", "web-v1", "--", "sh", "-c", "exit 7")

    assert (named.returncode, named.stdout.startswith("web-v1-")) == (0, True)
    assert named.stdout.endswith("True\n")
    assert json.loads(answered.stdout)["headers"]["x-envoy-attempt-count"] == "1"
    assert ended.returncode == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "--", "true"], 'there is no pod of "nothing"; there are: web-v1, web-v2'),
        (["web-v1", "-c", "other", "--", "true"], 'has no container "other"; it has web'),
        (["web-v1", "--", "no-such-program"], '"no-such-program" is not a program of this machine'),
        (["web-v1"], "Missing argument"),
    ],
)
def test_fail_when_a_command_cannot_run_in_a_pod(shell: Shell, arguments: list[str], words: str) -> None:
    """One line that names what is missing."""
    finished = shell("exec", *arguments)

    assert finished.returncode == 2
    assert words in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_fail_when_no_mesh_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says where it was looked for, from the root on, and how to start one."""
    monkeypatch.setattr("localmesh.cli.client.DEFAULT_URL", NOBODY)

    finished = Shell(tmp_path)("status")

    assert finished.returncode == 1
    assert finished.stderr == (
        f"localmesh: no mesh runs with the state folder {tmp_path.resolve()}/.localmesh and none answers at "
        f"{NOBODY}; start one with `localmesh up -k DIR`, or set LOCALMESH_URL to its address\n"
    )


@pytest.mark.parametrize("address", ["garbage", "127.0.0.1:7080", "http://127.0.0.1:7080/mesh"])
def test_fail_when_the_address_is_malformed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The message shows what an address looks like."""
    monkeypatch.setenv("LOCALMESH_URL", address)

    finished = Shell(tmp_path)("status")

    assert finished.returncode == 2
    assert f'LOCALMESH_URL is "{address}", expected an address like http://127.0.0.1:7080' in finished.stderr


def test_fail_when_there_are_no_manifests(tmp_path: Path) -> None:
    """Usage errors end with status 2."""
    finished = Shell(tmp_path)("up")

    assert finished.returncode == 2
    assert "no manifests: give -k DIR (a kustomization) or -f FILE" in finished.stderr


def test_pass_when_down_stops_it(shell: Shell) -> None:
    """`down` returns when the mesh has ended; a second one says that there is none."""
    first, second = shell("down"), shell("down")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "no mesh runs" in second.stderr
