"""How the process of a container is run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.workload import Workload
from localmesh.problems import ManifestError
from localmesh.runtime.workloads.environment import Launch, configuration_problems, launch
from localmesh.runtime.workloads.facts import PodFacts

MakeWorkload = Callable[..., Workload]
PROXY = {"outbound_proxy": "http://127.0.0.1:15001"}
HERE = str(Path(sys.executable).parent)


@pytest.fixture
def launched(make_workload: MakeWorkload, config: ConfigData) -> Callable[..., Launch]:
    """The launch of the only container of a pod whose port 8080 is really 20001."""

    def make(
        container: dict[str, Any],
        *,
        caller: dict[str, str] | None = None,
        facts: dict[str, Any] | None = None,
        **pod_spec: Any,
    ) -> Launch:
        workload = make_workload({"command": ["run"], **container}, **pod_spec)
        given = {"config": config, "capacity": {"cpu": "4", "memory": "1Gi"}, **(facts or {})}
        pod = PodFacts(workload, 0, {8080: 20001}, Path("/state"), Path("/work"), **given)
        return launch(pod, workload.containers[0], caller or {})

    return make


Launched = Callable[..., Launch]


def variables(launch: Launch, *names: str) -> dict[str, str | None]:
    return {name: launch.environment.get(name) for name in names}


class TestWhatEveryPodGets:
    def test_nothing_of_the_caller_but_what_programs_need(self, launched: Launched) -> None:
        """Secrets in the caller's environment do not reach pods; locale and search paths do."""
        caller = {"PATH": "/bin", "LANG": "C.UTF-8", "AWS_SECRET": "x", "HTTP_PROXY": "y", "PORT": "1"}

        environment = launched({}, caller=caller).environment

        assert set(environment) == {"PATH", "LANG", "HOSTNAME", "HOST", "HOME", "TMPDIR"}
        assert environment["LANG"] == "C.UTF-8"

    def test_programs_beside_this_python_come_first(self, launched: Launched) -> None:
        """`gunicorn` means the one of this environment, also where the manifest sets a PATH."""
        own = launched({"env": [{"name": "PATH", "value": "/opt/bin"}]}, caller={"PATH": "/bin"})

        assert launched({}, caller={"PATH": "/bin"}).environment["PATH"] == f"{HERE}:/bin"
        assert own.environment["PATH"] == f"{HERE}:/opt/bin"

    def test_folders_and_names_are_the_pods_own(self, launched: Launched) -> None:
        """HOME and TMPDIR are in the pod's folder, HOSTNAME is its name."""
        environment = launched({}).environment

        folder = Path("/state/pods/demo") / environment["HOSTNAME"]
        assert environment["HOSTNAME"].startswith("web-v1-")
        assert environment["HOME"] == str(folder / "home")
        assert environment["TMPDIR"] == str(folder / "tmp")

    def test_a_volume_at_tmp_holds_temporary_files(self, launched: Launched) -> None:
        """Where the manifest mounts /tmp, TMPDIR is that volume."""
        launch = launched(
            {"volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]}, volumes=[{"name": "scratch"}]
        )

        assert launch.environment["TMPDIR"].endswith("/volumes/scratch")

    def test_host_is_the_loopback_unless_the_manifest_says_otherwise(self, launched: Launched) -> None:
        """A program that takes its address from HOST stays on the machine."""
        own = launched({"env": [{"name": "HOST", "value": "0.0.0.0"}]})

        assert launched({}).environment["HOST"] == "127.0.0.1"
        assert own.environment["HOST"] == "0.0.0.0"


def test_a_pod_learns_where_the_api_of_the_mesh_is(launched: Launched) -> None:
    """If the mesh serves one."""
    url = "http://127.0.0.1:7080"

    assert variables(launched({}, facts={"api_url": url}), "LOCALMESH_URL") == {"LOCALMESH_URL": url}
    assert variables(launched({}), "LOCALMESH_URL") == {"LOCALMESH_URL": None}


class TestProxy:
    def test_a_pod_with_a_sidecar_sends_through_it(self, launched: Launched) -> None:
        """Both spellings name the sidecar, and the loopback is exempt."""
        launch = launched({}, facts=PROXY)

        assert variables(launch, "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy") == {
            "HTTP_PROXY": "http://127.0.0.1:15001",
            "http_proxy": "http://127.0.0.1:15001",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def test_the_manifests_own_proxy_wins_in_either_spelling(self, launched: Launched) -> None:
        """One spelling in the manifest keeps localmesh from setting the other."""
        launch = launched({"env": [{"name": "http_proxy", "value": "http://corp"}]}, facts=PROXY)

        assert variables(launch, "HTTP_PROXY", "http_proxy", "NO_PROXY") == {
            "HTTP_PROXY": None,
            "http_proxy": "http://corp",
            "NO_PROXY": "127.0.0.1,localhost",
        }


class TestVariables:
    def test_values_see_those_before_them_as_the_container_would(self, launched: Launched) -> None:
        """References are filled with the manifest's values, and the whole is rewritten once."""
        env = [
            {"name": "LATE", "value": "$(PORT)"},
            {"name": "PORT", "value": "8080"},
            {"name": "URL", "value": "http://localhost:$(PORT)/"},
            {"name": "ELSEWHERE", "value": "http://logic:$(PORT)/"},
        ]

        launch = launched({"env": env})

        assert variables(launch, "LATE", "PORT", "URL", "ELSEWHERE") == {
            "LATE": "$(PORT)",
            "PORT": "20001",
            "URL": "http://127.0.0.1:20001/",
            "ELSEWHERE": "http://logic:8080/",
        }

    def test_paths_through_references_are_rewritten_once(self, launched: Launched) -> None:
        """A folder that happens to lie under a mount path is not rewritten again."""
        env = [{"name": "ROOT", "value": "/state"}, {"name": "FILE", "value": "$(ROOT)/x.db"}]
        launch = launched(
            {"env": env, "volumeMounts": [{"name": "data", "mountPath": "/state"}]},
            volumes=[{"name": "data"}],
        )

        folder = launch.rewriting.folders["/state"]
        assert launch.environment["ROOT"] == str(folder)
        assert launch.environment["FILE"] == f"{folder}/x.db"

    def test_fields_of_the_pod_are_filled_in(self, launched: Launched) -> None:
        """Every field of the downward API that localmesh knows; a value is not taken for a port."""
        fields = {
            "NAME": "metadata.name",
            "NAMESPACE": "metadata.namespace",
            "UID": "metadata.uid",
            "VERSION": "metadata.labels['version']",
            "NOTHING": "metadata.annotations['none']",
            "NODE": "spec.nodeName",
            "ACCOUNT": "spec.serviceAccountName",
            "IP": "status.podIP",
        }
        env = [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()
        ]

        environment = launched({"env": env}, serviceAccountName="8080").environment

        assert environment["NAME"] == environment["HOSTNAME"]
        assert len(environment["UID"]) == 36
        assert {name: environment[name] for name in fields if name not in {"NAME", "UID"}} == {
            "NAMESPACE": "demo",
            "VERSION": "v1",
            "NOTHING": "",
            "NODE": "localmesh",
            "ACCOUNT": "8080",
            "IP": "127.0.0.1",
        }

    @pytest.mark.parametrize(
        ("reference", "expected"),
        [
            ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
            ({"resource": "limits.memory"}, "67108864"),
            ({"resource": "requests.cpu"}, "1"),
            ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
            ({"resource": "limits.cpu"}, "4"),
            ({"resource": "requests.memory"}, "0"),
        ],
    )
    def test_resources_are_divided_and_rounded_up(
        self, launched: Launched, reference: dict[str, str], expected: str
    ) -> None:
        """Without a limit a container may use what the machine has; without a request it is 0."""
        container = {
            "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}},
            "env": [{"name": "AMOUNT", "valueFrom": {"resourceFieldRef": reference}}],
        }

        assert launched(container).environment["AMOUNT"] == expected

    def test_configuration_is_filled_in(self, launched: Launched) -> None:
        """Keys and whole objects; a variable of the container wins over an import, a port is rewritten."""
        container = {
            "envFrom": [
                {"configMapRef": {"name": "settings"}},
                {"prefix": "P_", "secretRef": {"name": "passwords"}},
            ],
            "env": [
                {"name": "COLOUR", "value": "red"},
                {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
                {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y", "optional": True}}},
            ],
        }

        launch = launched(container)

        assert variables(launch, "PORT", "COLOUR", "P_TOKEN", "KEY", "NONE", "a.conf") == {
            "PORT": "20001",
            "COLOUR": "red",
            "P_TOKEN": "s3cret",
            "KEY": "green",
            "NONE": None,
            "a.conf": "a = 1\n",
        }

    def test_all_missing_configuration_is_told_at_once(
        self, make_workload: MakeWorkload, config: ConfigData
    ) -> None:
        """Objects, keys and fields that do not exist, each with its path, as errors."""
        env = [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "nothing"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "missing", "key": "x"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}},
        ]
        workload = make_workload({"env": env, "envFrom": [{"configMapRef": {"name": "nowhere"}}]})

        problems = configuration_problems(workload, config)

        path = "spec.template.spec.containers[0]"
        assert [(str(problem.path), problem.code, problem.severity.value) for problem in problems] == [
            (f"{path}.envFrom[0]", "SM217", "error"),
            (f"{path}.env[0].valueFrom", "SM217", "error"),
            (f"{path}.env[1].valueFrom", "SM217", "error"),
            (f"{path}.env[2].valueFrom.fieldRef.fieldPath", "SM303", "error"),
        ]

    def test_a_pod_with_missing_configuration_is_not_run(self, launched: Launched) -> None:
        """What the manifest refers to in vain is an error, not an empty value."""
        with pytest.raises(ManifestError, match="nowhere"):
            launched({"envFrom": [{"secretRef": {"name": "nowhere"}}]})


class TestCommand:
    def test_words_are_expanded_and_rewritten(self, launched: Launched) -> None:
        """Arguments follow the command; ports, options and paths mean the process's own."""
        launch = launched(
            {
                "command": ["serve", "--port=8080", "$(NAME)"],
                "args": ["--data", "/data/x", "$$(NAME)"],
                "env": [{"name": "NAME", "value": "8080"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data", "subPathExpr": "of-$(NAME)"}],
            },
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}],
        )

        assert launch.arguments == (
            *("serve", "--port=20001", "20001"),
            *("--data", "/state/claims/demo/disk/of-8080/x", "$(NAME)"),
        )

    def test_it_runs_in_its_working_directory(self, launched: Launched, tmp_path: Path) -> None:
        """A folder of a volume or of this machine, relative to the usual one, which is the default."""
        on_volume = {"volumeMounts": [{"name": "data", "mountPath": "/data"}], "workingDir": "/data/x"}

        folders = [
            launched({}).working_directory,
            launched({"workingDir": str(tmp_path)}).working_directory,
            launched({"workingDir": f"..{tmp_path}"}).working_directory.resolve(),
        ]

        assert folders == [Path("/work"), tmp_path, tmp_path]
        folder = launched(on_volume, volumes=[{"name": "data"}]).working_directory
        assert str(folder).endswith("/volumes/data/x")

    def test_a_working_directory_that_exists_only_in_the_image_is_refused(self, launched: Launched) -> None:
        """With the field, where commands run, and what to do; a stub has no use for the folder."""
        with pytest.raises(ManifestError) as error:
            launched({"workingDir": "/no/such/folder"})
        stub = launched({"workingDir": "/no/such/folder", "command": []})

        message = str(error.value)
        assert 'spec.template.spec.containers[0].workingDir: "/no/such/folder" is not supported' in message
        assert "folders of this machine (commands run in /work)" in message
        assert stub.working_directory == Path("/work")

    def test_a_container_without_command_becomes_the_stub(self, launched: Launched) -> None:
        """The stub gets its identity and its ports."""
        launch = launched({"command": [], "args": ["x"], "image": "i", "ports": [{"containerPort": 8080}]})

        identity = json.loads(launch.arguments[-1])
        assert launch.arguments[0] == sys.executable
        assert identity["ports"] == {"8080": 20001}
        assert (identity["workload"], identity["version"], identity["namespace"], identity["service"]) == (
            *("web-v1", "v1", "demo", "web"),
        )

    def test_the_stub_also_serves_ports_only_a_service_knows(self, launched: Launched) -> None:
        """Declaring a port is a courtesy in Kubernetes."""
        launch = launched({"command": []})

        assert json.loads(launch.arguments[-1])["ports"] == {"8080": 20001}
