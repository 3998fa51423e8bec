"""The file that says where the pods of a served mesh are: what is read, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.runtime.external.inventory import InventoryError, read_inventory

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


def test_what_is_not_given_is_as_usual(tmp_path: Path) -> None:
    """The application on its own port, the sidecar ten thousand higher, Istio's numbers for the others."""
    usual, own = read_inventory(written(tmp_path, GOOD)).pods

    assert (usual.application_port(8080), usual.inbound_port(8080)) == (8080, 18080)
    assert (usual.outbound, usual.health) == (15001, 15021)
    assert (own.application_port(8080), own.inbound_port(8080), own.inbound_port(9102)) == (
        21000,
        21001,
        19102,
    )
    assert usual.log == Path("/var/log/pods/web-0.log")
    assert own.log is None


def test_a_port_too_high_to_go_up_goes_down(tmp_path: Path) -> None:
    """There is always a port."""
    usual, _ = read_inventory(written(tmp_path, GOOD)).pods

    assert usual.inbound_port(60_000) == 50_000


def test_a_gateway_listens_on_its_target_port_or_another(tmp_path: Path) -> None:
    """8080 unless the file says otherwise."""
    (gateway,) = read_inventory(written(tmp_path, GOOD)).gateways

    assert (gateway.port(8080), gateway.port(8443)) == (8081, 8443)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is nothing, expected a mapping with pods, gateways"),
        ("pods: []", "pods is empty, expected where each pod is"),
        ("pods: {a: b}", "pods is \"{'a': 'b'}\", expected a list"),
        ("pods: [web]", 'pods[0] is "web", expected a mapping with workload, name'),
        ("gates: []", 'the file is "gates", expected one of pods, gateways'),
        ("pods: [{workload: web, name: a, host: b}]", 'pods[0].workload is "web", expected a Deployment as'),
        ("pods: [{workload: a/b, name: A_B, host: b}]", 'pods[0].name is "A_B", expected lower-case letters'),
        ("pods: [{workload: a/b, name: c}]", "pods[0].host is nothing, expected a text"),
        (
            "pods: [{workload: a/b, name: c, host: 'd:80'}]",
            'pods[0].host is "d:80", expected a name or an IPv4',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d, outbound: 0}]",
            'pods[0].outbound is "0", expected a port from 1 to 65535',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d, inbound: {8080: true}}]",
            'pods[0].inbound.8080 is "True", expected a port',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d}, {workload: a/e, name: c, host: f}]",
            'pods: "a/c" is given 2 times, expected once',
        ),
        (
            "pods: [{workload: a/b, name: c, host: d}]\ngateways: [{workload: a/e, name: e}]",
            "gateways[0].host is nothing",
        ),
        ("pods: [", "is no YAML"),
    ],
)
def test_each_problem_is_one_line_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    """The file, the path in it, what was found and what was expected."""
    file = written(tmp_path, text)

    with pytest.raises(InventoryError) as error:
        read_inventory(file)

    assert str(error.value).startswith(f"{file}: {problem}")
    assert len(str(error.value).splitlines()) == 1


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Two bad entries, two lines."""
    file = written(
        tmp_path, "pods: [{workload: a/b, name: c, host: d, heath: 1}, {workload: e, name: f, host: g}]"
    )

    with pytest.raises(InventoryError) as error:
        read_inventory(file)

    assert [line.split(" is ")[0].removeprefix(f"{file}: ") for line in str(error.value).splitlines()] == [
        "pods[0]",
        "pods[1].workload",
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(InventoryError, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        read_inventory(tmp_path / "nowhere.yaml")
