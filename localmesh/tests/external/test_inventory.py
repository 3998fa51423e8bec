"""The inventory of external pods: its defaults, and the problems of a wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.problems import ManifestError
from localmesh.runtime.external.inventory import read_inventory

GOOD = """
pods:
  - {workload: shop/web, name: web-0, host: web, log: /var/log/pods/web-0.log}
  - {workload: shop/web, name: web-1, host: 127.0.0.1, application: {8080: 21000}, inbound: {8080: 21001}}
gateways:
  - {workload: istio-system/istio-ingressgateway, name: gateway-0, host: gateway, ports: {8080: 8081}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "pods.yaml"
    file.write_text(text)
    return file


def test_missing_ports_have_defaults(tmp_path: Path) -> None:
    """The application has its container port, the sidecar ten thousand more, the rest Istio's numbers."""
    default, own = read_inventory(written(tmp_path, GOOD)).pods

    assert (default.application_port(8080), default.inbound_port(8080)) == (8080, 18080)
    assert (default.outbound, default.health) == (15001, 15021)
    assert (own.application_port(8080), own.inbound_port(8080), own.inbound_port(9102)) == (
        21000,
        21001,
        19102,
    )
    assert default.log == Path("/var/log/pods/web-0.log")
    assert own.log is None


def test_the_sidecar_of_a_high_port_listens_below_it(tmp_path: Path) -> None:
    """Ports end at 65535."""
    default, _ = read_inventory(written(tmp_path, GOOD)).pods

    assert default.inbound_port(60_000) == 50_000


def test_a_gateway_listens_on_its_target_port_or_another(tmp_path: Path) -> None:
    """The target port unless the file has another one."""
    (gateway,) = read_inventory(written(tmp_path, GOOD)).gateways

    assert (gateway.port(8080), gateway.port(8443)) == (8081, 8443)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", "", "cannot be read: it holds 0 YAML documents, expected one"),
        ("pods: []", ":1", "pods: found [], expected at least 1 entry"),
        ("gateways: []", ":1", 'the field "pods" is missing'),
        ("pods: {a: b}", ":1", 'pods: found {a: "b"}, which is a mapping, expected a list'),
        ("pods: [web]", ":1", 'pods[0]: found "web", which is a string, expected a mapping'),
        (
            "pods: [{workload: a/b, name: c, host: d}]\ngates: []",
            ":2",
            'gates: "gates" is not a field here; the fields are gateways and pods',
        ),
        (
            "pods:\n  - {workload: web, name: a, host: b}",
            ":2",
            'pods[0].workload: found "web", expected a workload as namespace/name',
        ),
        (
            "pods: [{workload: a/b, name: A_B, host: b}]",
            ":1",
            'pods[0].name: found "A_B", expected lower-case letters, digits, dashes and dots',
        ),
        ("pods: [{workload: a/b, name: c}]", ":1", 'pods[0]: the field "host" is missing'),
        (
            "pods: [{workload: a/b, name: c, host: 'd:80'}]",
            ":1",
            'pods[0].host: found "d:80", expected a name or an IPv4 address without a port',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d, outbound: 0}]",
            ":1",
            "pods[0].outbound: found 0, expected a number from 1 to 65535",
        ),
        (
            "pods: [{workload: a/b, name: c, host: d, inbound: {8080: true}}]",
            ":1",
            "pods[0].inbound[8080]: found true, which is a boolean, expected a whole number",
        ),
        (
            "pods: [{workload: a/b, name: c, host: d, inbound: {http: 1}}]",
            ":1",
            "pods[0].inbound: found {http: 1}, expected port numbers as keys",
        ),
        (
            "pods: [{workload: a/b, name: c, host: d}, {workload: a/e, name: c, host: f}]",
            ":1",
            'pods[1].name: the pod "a/c" is already used at pods[0]',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d}]\ngateways: [{workload: e/f, name: g}]",
            ":2",
            'gateways[0]: the field "host" is missing',
        ),
        ("pods: [", ":2", "not YAML"),
    ],
)
def test_a_problem_has_its_place(tmp_path: Path, text: str, line: str, problem: str) -> None:
    """The file with the line, the path in it, what was found and what was expected."""
    file = written(tmp_path, text)

    with pytest.raises(ManifestError) as error:
        read_inventory(file)

    assert str(error.value).startswith(f"{file}{line}: error SM")
    assert problem in str(error.value)
    assert str(error.value).count("error SM") == 1


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Two wrong entries, two problems."""
    file = written(
        tmp_path, "pods: [{workload: a/b, name: c, host: d, heath: 1}, {workload: e, name: f, host: g}]"
    )

    with pytest.raises(ManifestError) as error:
        read_inventory(file)

    assert [str(problem.path) for problem in error.value.problems] == ["pods[0].heath", "pods[1].workload"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(ManifestError, match=r"nowhere\.yaml.*\n.*cannot be read: No such file or directory"):
        read_inventory(tmp_path / "nowhere.yaml")
